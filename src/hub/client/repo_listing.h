// What a hub says about a model: JSON of others -> plain structures, checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::hub {

struct HubFile {
  std::string path;  // "1_Pooling/config.json", safe (IsSafeRelativePath).
  int64_t size = 0;
  std::string hash;  // SHA-256 of large files, git blob id of the others; names the blob.
};

// The commit in the answer of /api/models/ORG/NAME/revision/REVISION. `name` stands in messages,
// here and below. Error: InvalidModel.
Result<std::string> ParseCommit(std::string_view json, const std::string& name);

// Appends the files of one page of /api/models/ORG/NAME/tree/COMMIT?recursive=true. Errors:
// InvalidModel: not as expected, or a name that would leave the folder, for which the whole
// model is refused.
Status ParseTreePage(std::string_view json, const std::string& name, std::vector<HubFile>& files);

// The address of the next page in a Link header, `<https://...>; rel="next"`; empty without.
std::string NextPage(std::string_view link_header);

}  // namespace akin::hub

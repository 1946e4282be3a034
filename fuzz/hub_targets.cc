#include "fuzz/hub_targets.h"

#include <vector>

#include "fuzz/support.h"
#include "hub/client/content_hash.h"
#include "hub/client/repo_listing.h"
#include "hub/hub_name.h"

namespace akin::fuzz {

void ReadHubAnswer(std::string_view json) {
  if (const auto commit = hub::ParseCommit(json, "answer")) Require(hub::IsCommitHash(*commit));
  std::vector<hub::HubFile> files;
  (void)hub::ParseTreePage(json, "answer", files).has_value();
  for (const hub::HubFile& file : files) {
    Require(hub::IsSafeRelativePath(file.path) && file.path.find("..//") == std::string::npos);
    Require(hub::IsContentHash(file.hash) && file.size >= 0);
  }
  if (const auto name = hub::ParseHubName(json)) {
    Require(name->repository.find("..") == std::string::npos);
    Require(hub::IsSafeRelativePath(name->revision));
  }
  (void)hub::NextPage(json);
}

}  // namespace akin::fuzz

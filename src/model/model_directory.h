// A model folder, as somebody else made it: what is opened in it is a regular file of that model
// and nothing else.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "base/mapped_file.h"
#include "formats/json.h"

namespace akin::model {

// Limits of what is read from a folder (design: limits are options of a server later, constants
// here).
inline constexpr size_t kMaxConfigBytes = size_t{1} << 20;

class ModelDirectory {
 public:
  // Error: ModelNotFound (not there), InvalidModel (not a folder).
  static Result<ModelDirectory> Open(const std::string& path);

  // A folder of this model, whose files are named as if it were a model folder of its own; what may
  // be opened is still what belongs to the whole model. "" is the folder itself.
  ModelDirectory In(std::string_view folder) const;

  const std::string& path() const { return path_; }
  // The last part of the path; of a hub snapshot ("models--org--name/snapshots/revision"),
  // "org/name".
  const std::string& name() const { return name_; }

  // Whether an entry of that name is there, of any kind.
  bool Exists(std::string_view file) const;

  // Opens the regular file `file`, a path relative to the folder. Links are followed as far as they
  // lead to a file in the folder, or in the `blobs` folder of the same hub repository or cache;
  // what counts is the file that was opened, not its name. Errors: ModelNotFound (not there, a link
  // to nothing, not a regular file, no permission), InvalidModel (leads out of the folder).
  Result<UniqueFd> OpenFile(std::string_view file) const;
  // The whole file, of at most `max_bytes`.
  Result<std::string> ReadFile(std::string_view file, size_t max_bytes) const;
  Result<MappedFile> MapFile(std::string_view file) const;
  Result<formats::JsonDocument> ReadJson(std::string_view file,
                                         size_t max_bytes = kMaxConfigBytes) const;
  // The same of a file that need not be there.
  Result<std::optional<formats::JsonDocument>> ReadJsonIfExists(std::string_view file) const;

 private:
  ModelDirectory() = default;

  std::string path_;
  std::string name_;
  std::string prefix_;             // "" or "folder/": in front of the name of every file.
  std::string real_path_;          // Without links; what is opened must lie in it,
  std::string blobs_path_;         // or in this folder; empty when the folder is no hub snapshot;
  std::string shared_blobs_path_;  // or in this one, which the models of a hub cache share.
};

}  // namespace akin::model

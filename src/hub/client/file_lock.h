// The locks that huggingface_hub takes (flock on <hash>.lock), so that one process downloads a file
// and the others wait.
#pragma once

#include <optional>
#include <string>

#include "akin/result.h"

#include "base/mapped_file.h"

namespace akin::hub {

class FileLock {
 public:
  // Nothing when another process holds it. On a file system without locks one gets a lock that
  // keeps nobody out: see works(). Error: ServiceUnavailable, the file cannot be made.
  static Result<std::optional<FileLock>> TryLock(const std::string& path);

  bool works() const { return works_; }

 private:
  FileLock(UniqueFd file, bool works) : file_(std::move(file)), works_(works) {}
  UniqueFd file_;
  bool works_;
};

}  // namespace akin::hub

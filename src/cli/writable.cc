#include "cli/writable.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace akin::cli {

std::string WhyNotWritable(const std::string& folder) {
  namespace fs = std::filesystem;
  fs::path path = folder;
  while (access(path.c_str(), W_OK | X_OK) != 0) {
    // What is missing would be made in the nearest folder that is there. There may be no working
    // folder either.
    const bool is_last = !path.has_relative_path() || path == ".";
    if (errno != ENOENT || is_last) return std::generic_category().message(errno);
    path = path.has_parent_path() ? path.parent_path() : fs::path(".");
  }
  std::error_code error;
  return fs::is_directory(path, error) ? "" : std::generic_category().message(ENOTDIR);
}

}  // namespace akin::cli

// Files that others made: read if they are regular ones, since a pipe or a device could make us
// wait forever.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "base/mapped_file.h"

namespace akin {

// Opens `path`, through links too, for reading. `name` stands for it in messages. Error:
// ModelNotFound ("NAME is not there", or it cannot be opened or is not a regular file).
Result<UniqueFd> OpenRegularFile(const std::string& path, std::string_view name);

// All of `file`. Error: InvalidModel (larger than `max_bytes`, cannot be read).
Result<std::string> ReadFile(const UniqueFd& file, std::string_view name, size_t max_bytes);

// Says which file this is and in which state, "device:inode:size:modified:changed": whoever writes
// to a file or puts another in its place changes it. Empty when the system does not tell.
std::string FileIdentity(const UniqueFd& file);

}  // namespace akin

// Files that are read whole because they are small.
#pragma once

#include <cstddef>
#include <string>

#include "akin/result.h"

namespace akin::cli {

// Errors: kInputUnreadable, InvalidInput (more than `most_bytes`).
Result<std::string> ReadSmallFile(const std::string& path, size_t most_bytes);

}  // namespace akin::cli

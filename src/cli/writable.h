#pragma once

#include <string>

namespace akin::cli {

// Why no file can be made in `folder`, which need not be there yet ("Read-only file system"); empty
// where one can, as far as is seen without trying.
std::string WhyNotWritable(const std::string& folder);

}  // namespace akin::cli

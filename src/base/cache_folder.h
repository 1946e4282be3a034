#pragma once

#include <string>

namespace akin {

// The folder in which Akin keeps what it can make or fetch again: $AKIN_CACHE, or else akin in
// $XDG_CACHE_HOME or ~/.cache. Empty when none of these is set. It need not exist.
std::string CacheFolder();

}  // namespace akin

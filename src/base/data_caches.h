// The data caches of this machine's first CPU, as Linux lists them.
#pragma once

#include <string>
#include <vector>

#include "akin/system.h"

namespace akin {

// From the nearest to the farthest; empty where the system does not say.
std::vector<DataCache> ListDataCaches();

// The logic on a given file system, as in thread_count.h.
std::vector<DataCache> ListDataCachesIn(const std::string& root);

}  // namespace akin

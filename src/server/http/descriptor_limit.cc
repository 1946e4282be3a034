#include "server/http/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace akin::server {
namespace {

size_t DescriptorsOf(size_t connections) { return connections + connections / 8; }

}  // namespace

size_t ConnectionsWithin(size_t limit, size_t wanted, size_t others) {
  const size_t room = limit / 2 > others ? limit - others : limit / 2;
  if (DescriptorsOf(wanted) <= room) return wanted;
  return std::max<size_t>(1, room - (room + 1) / 9);  // The most whose descriptors fit.
}

size_t RaiseDescriptorLimit(size_t wanted, size_t others) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<size_t>::max();
  const rlim_t needed = DescriptorsOf(wanted) + others;
  if (limit.rlim_cur < needed) {  // RLIM_INFINITY is the largest of all.
    rlimit raised = limit;
    raised.rlim_cur = std::min(needed, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  return limit.rlim_cur;
}

}  // namespace akin::server

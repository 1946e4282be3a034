#include "server/idle_memory.h"

#include <algorithm>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace akin::server {

bool IdleMemory::IsDue(Clock::time_point now, int64_t resident_bytes, bool at_rest,
                       int64_t requests) {
  // The system may have taken some itself.
  in_use_bytes_ = std::min(in_use_bytes_, resident_bytes);
  if (!at_rest || requests != requests_) rest_begin_.reset();
  requests_ = requests;
  if (!at_rest) return false;
  if (!rest_begin_) rest_begin_ = now;
  const bool rests = now - *rest_begin_ >= kRest;
  const bool is_soon = last_ && now - *last_ < kInterval;
  if (!rests || is_soon || resident_bytes - in_use_bytes_ < kWorthwhileBytes) return false;
  last_ = now;
  return true;
}

void ReturnMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace akin::server

#include "c_api/handles.h"

#include <atomic>

namespace akin::c_api {

uintptr_t NextHandle() {
  static std::atomic<uintptr_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace akin::c_api

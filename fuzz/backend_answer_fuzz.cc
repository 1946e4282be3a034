// Any bytes as what a backend's other side says: refused, or whole.
#include <cstdint>
#include <string_view>

#include "fuzz/backend_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::ReadBackendAnswer({reinterpret_cast<const char*>(data), size});
  return 0;
}

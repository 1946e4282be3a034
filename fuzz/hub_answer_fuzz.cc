// Any bytes as a hub's answer: refused, or safe.
#include <cstdint>
#include <string_view>

#include "fuzz/hub_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::ReadHubAnswer({reinterpret_cast<const char*>(data), size});
  return 0;
}

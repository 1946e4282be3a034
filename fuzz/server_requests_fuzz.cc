// Any bytes as the requests of a client.
#include <cstdint>
#include <string_view>

#include "fuzz/server_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::ReadRequests({reinterpret_cast<const char*>(data), size});
  return 0;
}

// Any bytes as a client of HTTP/2.
#include <cstdint>
#include <string_view>

#include "fuzz/http2_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::ReadHttp2({reinterpret_cast<const char*>(data), size});
  return 0;
}

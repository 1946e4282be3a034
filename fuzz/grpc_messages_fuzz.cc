// Any bytes as the body of a call of gRPC.
#include <cstdint>
#include <string_view>

#include "fuzz/grpc_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::ReadGrpcMessages({reinterpret_cast<const char*>(data), size});
  return 0;
}

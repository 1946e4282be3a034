// Any bytes as an ONNX file.
#include <cstdint>
#include <span>

#include "fuzz/onnx_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::ReadOnnx(std::as_bytes(std::span(data, size)));
  return 0;
}

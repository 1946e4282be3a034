// Any bytes as an ONNX file of a model folder whose graph is taken for an encoder with its head.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/onnx_graph_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::LoadOnnxGraph({reinterpret_cast<const char*>(data), size});
  return 0;
}

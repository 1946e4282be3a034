// What formats/onnx makes of files, for a comparison with another reader (onnx_differential.py).
// Standard input: each file as its length (4 bytes, little-endian) and its bytes. Standard output:
// a line for each, "refused: why" or its parts and a hash of the tensors' values.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "formats/onnx.h"

namespace {

using namespace akin::formats;

uint64_t Fnv(std::span<const std::byte> bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte byte : bytes)
    hash = (hash ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3;
  return hash;
}

std::string DescribeTensor(const OnnxTensor& tensor) {
  std::string out = "T" + std::to_string(static_cast<int>(tensor.type)) + "[";
  for (const int64_t dim : tensor.dims) out += std::to_string(dim) + ",";
  out += "]";
  if (tensor.external) return out + "external";
  if (!OnnxTypeBits(tensor.type)) return out + "strings";
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016" PRIx64, Fnv(tensor.bytes));
  return out + hash;
}

std::string DescribeGraph(const OnnxGraph& graph) {
  std::string out = "(" + std::to_string(graph.inputs.size()) + " in " +
                    std::to_string(graph.outputs.size()) + " out";
  for (const OnnxTensor& tensor : graph.initializers) out += " " + DescribeTensor(tensor);
  for (const OnnxNode& node : graph.nodes) {
    out += " N" + std::to_string(node.inputs.size()) + ":" + std::to_string(node.outputs.size()) +
           ":" + std::to_string(node.op_type.size());
    for (const OnnxAttribute& attribute : node.attributes) {
      for (const OnnxTensor& tensor : attribute.tensors) out += DescribeTensor(tensor);
      for (const auto& inner : attribute.graphs) out += DescribeGraph(*inner);
    }
  }
  return out + ")";
}

}  // namespace

int main() {
  unsigned char size[4];
  while (std::fread(size, 1, 4, stdin) == 4) {
    std::vector<std::byte> file(size[0] | size[1] << 8 | size[2] << 16);
    if (std::fread(file.data(), 1, file.size(), stdin) != file.size()) return 1;
    const auto model = ParseOnnx(file, "model.onnx");
    std::puts(
        (model ? DescribeGraph(model->graph) : "refused: " + model.error().message()).c_str());
  }
  return 0;
}

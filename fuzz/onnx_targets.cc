#include "fuzz/onnx_targets.h"

#include "formats/onnx.h"
#include "fuzz/support.h"

namespace akin::fuzz {
namespace {

void CheckTensor(const formats::OnnxTensor& tensor) {
  for (const int64_t dim : tensor.dims) Require(dim >= 0);
  if (tensor.external || !formats::OnnxTypeBits(tensor.type)) return;
  Require(tensor.bytes.size() == tensor.num_bytes());
  size_t sum = 0;
  for (const std::byte byte : tensor.bytes) sum += static_cast<size_t>(byte);
  Require(sum <= 255 * tensor.bytes.size());  // So that every byte is read.
}

void CheckNodes(std::span<const formats::OnnxNode> nodes, int depth);

void CheckGraph(const formats::OnnxGraph& graph, int depth) {
  Require(depth <= formats::kMaxOnnxDepth);
  for (const formats::OnnxTensor& tensor : graph.initializers) CheckTensor(tensor);
  CheckNodes(graph.nodes, depth);
}

void CheckNodes(std::span<const formats::OnnxNode> nodes, int depth) {
  for (const formats::OnnxNode& node : nodes) {
    for (const formats::OnnxAttribute& attribute : node.attributes) {
      for (const formats::OnnxTensor& tensor : attribute.tensors) CheckTensor(tensor);
      for (const auto& graph : attribute.graphs) CheckGraph(*graph, depth + 1);
    }
  }
}

}  // namespace

void ReadOnnx(std::span<const std::byte> file) {
  const auto model = formats::ParseOnnx(file, "m.onnx");
  if (!model) {
    const ErrorCode code = model.error().code();
    return Require(code == ErrorCode::kInvalidModel || code == ErrorCode::kUnsupportedModel);
  }
  CheckGraph(model->graph, 1);
  for (const formats::OnnxFunction& function : model->functions) CheckNodes(function.nodes, 1);
}

}  // namespace akin::fuzz

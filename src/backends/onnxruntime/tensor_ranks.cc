#include "backends/onnxruntime/tensor_ranks.h"

#include <algorithm>
#include <cstring>

namespace akin::backends::onnxruntime {
namespace {

using formats::OnnxAttribute;
using formats::OnnxNode;
using formats::OnnxTensor;

constexpr size_t kMostConstants = 16;

// As many dimensions as the first input has.
constexpr std::string_view kLikeFirst[] = {
    "Abs",   "Cast", "Dropout", "Erf",     "Exp",  "Gelu", "Identity",  "LayerNormalization",
    "Neg",   "Relu", "Sigmoid", "Softmax", "Sqrt", "Tanh", "Transpose", "Slice",
    "Concat"};
// As many as the largest input has.
constexpr std::string_view kLikeLargest[] = {"Add", "BiasGelu", "Div",  "Mul",
                                             "Pow", "Sub",      "Where"};

template <size_t N>
bool Contains(const std::string_view (&names)[N], std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

}  // namespace

TensorRanks::TensorRanks(const model::OnnxFile& file) {
  for (const OnnxTensor& tensor : file.graph().initializers) AddStored(tensor.name, tensor, file);
  for (const formats::OnnxValueInfo& input : file.graph().inputs) {
    if (input.dims) ranks_.try_emplace(input.name, input.dims->size());
  }
  for (const OnnxNode& node : file.graph().nodes) {
    if (node.outputs.empty()) continue;
    const std::string_view output = node.outputs[0];
    if (node.op_type == "Constant") {
      const OnnxAttribute* value = node.Find("value");
      if (value != nullptr && value->tensors.size() == 1)
        AddStored(output, value->tensors[0], file);
      continue;
    }
    if (const auto rank = RankOf(node)) ranks_[output] = *rank;
    if (const auto length = LengthOf(node)) lengths_[output] = *length;
  }
}

std::optional<size_t> TensorRanks::Of(std::string_view tensor) const {
  const auto found = ranks_.find(tensor);
  return found == ranks_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::vector<int64_t>> TensorRanks::Constant(std::string_view tensor) const {
  const auto found = constants_.find(tensor);
  return found == constants_.end() ? std::nullopt : std::optional(found->second);
}

void TensorRanks::AddStored(std::string_view name, const OnnxTensor& tensor,
                            const model::OnnxFile& file) {
  ranks_[name] = tensor.dims.size();
  if (tensor.external) return;
  if (tensor.dims.size() == 1) lengths_[name] = static_cast<size_t>(tensor.dims[0]);
  const std::span<const std::byte> bytes = file.ValuesOf(tensor);
  if (tensor.type != formats::OnnxType::kInt64 || bytes.size() > kMostConstants * sizeof(int64_t))
    return;
  std::vector<int64_t>& values = constants_[name];
  values.resize(bytes.size() / sizeof(int64_t));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
}

std::optional<size_t> TensorRanks::LengthOf(std::string_view tensor) const {
  const auto found = lengths_.find(tensor);
  return found == lengths_.end() ? std::nullopt : std::optional(found->second);
}

// Of one dimension: how long it is.
std::optional<size_t> TensorRanks::LengthOf(const OnnxNode& node) const {
  if (node.inputs.empty()) return std::nullopt;
  if (node.op_type == "Shape" && node.attributes.empty()) return Of(node.inputs[0]);
  if (node.op_type == "Unsqueeze" && Of(node.inputs[0]) == size_t{0}) return 1;
  if (node.op_type != "Concat") return std::nullopt;
  size_t length = 0;
  for (const std::string_view input : node.inputs) {
    const auto part = LengthOf(input);
    if (!part) return std::nullopt;
    length += *part;
  }
  return length;
}

std::optional<size_t> TensorRanks::RankOf(const OnnxNode& node) const {
  if (node.inputs.empty()) return std::nullopt;
  const auto first = Of(node.inputs[0]);
  if (Contains(kLikeFirst, node.op_type)) return first;
  if (Contains(kLikeLargest, node.op_type)) return LargestOf(node.inputs);
  if (node.op_type == "Shape") return 1;
  if (node.op_type == "Unsqueeze") return RankOfUnsqueeze(node);
  if (node.op_type == "ReduceMean") {
    const OnnxAttribute* keep = node.Find("keepdims");
    return keep == nullptr || keep->i.value_or(1) == 1 ? first : std::nullopt;
  }
  if (node.inputs.size() < 2) return std::nullopt;
  const auto second = Of(node.inputs[1]);
  if (node.op_type == "Reshape") return LengthOf(node.inputs[1]);
  if (!first || !second) return std::nullopt;
  if (node.op_type == "MatMul" && *first >= 2 && *second >= 2) return std::max(*first, *second);
  if (node.op_type == "Gather" && *first >= 1) return *first - 1 + *second;
  return std::nullopt;
}

std::optional<size_t> TensorRanks::RankOfUnsqueeze(const OnnxNode& node) const {
  const auto rank = Of(node.inputs[0]);
  const OnnxAttribute* axes = node.Find("axes");
  if (!rank) return std::nullopt;
  if (axes != nullptr) return *rank + axes->ints.size();
  const auto constant = node.inputs.size() > 1 ? Constant(node.inputs[1]) : std::nullopt;
  return constant ? std::optional(*rank + constant->size()) : std::nullopt;
}

std::optional<size_t> TensorRanks::LargestOf(std::span<const std::string_view> tensors) const {
  size_t largest = 0;
  for (const std::string_view tensor : tensors) {
    const auto rank = Of(tensor);
    if (!rank) return std::nullopt;
    largest = std::max(largest, *rank);
  }
  return largest;
}

}  // namespace akin::backends::onnxruntime

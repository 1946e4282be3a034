#include "model/onnx_classifier.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include "model/model_directory.h"
#include "model/onnx_values.h"
#include "model/onnx_weights.h"

namespace akin::model {
namespace {

using formats::JsonValue;
using formats::OnnxAttribute;
using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

constexpr std::string_view kWeight = ".weight", kBias = ".bias";

bool IsPlain(const OnnxNode& node, std::string_view op_type) {
  return (node.domain.empty() || node.domain == "ai.onnx") && node.op_type == op_type &&
         !node.inputs.empty() && node.outputs.size() == 1;
}

// Walks from the output towards the inputs, and takes each node that it knows.
class HeadReader {
 public:
  explicit HeadReader(const OnnxFile& file) : file_(file), values_(file) {}

  // Nothing unless all of it is known.
  std::optional<OnnxHead> Read() {
    if (file_.graph().outputs.size() != 1) return std::nullopt;
    head_.states = file_.graph().outputs[0].name;
    if (!TakeLinear()) return std::nullopt;
    if (const OnnxNode* activation = Maker();
        activation != nullptr && (IsPlain(*activation, "Tanh") || IsPlain(*activation, "Relu"))) {
      activation_ = activation->op_type == "Tanh" ? RowActivation::kTanh : RowActivation::kRelu;
      Take(*activation);
      if (!TakeLinear()) return std::nullopt;
    }
    if (!TakeFirstToken()) return std::nullopt;
    return std::move(head_);
  }

  // Names of the layers, as the file has them; "": there is no such one.
  std::string_view dense() const { return layers_[1]; }
  std::string_view output() const { return layers_[0]; }
  std::optional<RowActivation> activation() const { return activation_; }

 private:
  // Of what the next node further up gives; nullptr where others read it, too.
  const OnnxNode* Maker() const {
    const OnnxNode* maker = values_.MakerOf(head_.states);
    const bool is_output = head_.nodes.empty();
    return maker == nullptr || (!is_output && values_.OnlyReaderOf(head_.states) == nullptr)
               ? nullptr
               : maker;
  }
  void Take(const OnnxNode& node) {
    head_.nodes.push_back(&node);
    head_.states = node.inputs[0];
  }

  // Gemm(x, "name.weight" [out, in], "name.bias" [out]) = x W^T + b
  bool TakeLinear() {
    const OnnxNode* node = Maker();
    if (node == nullptr || !IsPlain(*node, "Gemm") || node->inputs.size() != 3) return false;
    const auto is = [&](std::string_view name, int64_t wanted) {
      const OnnxAttribute* attribute = node->Find(name);
      return (attribute == nullptr ? 0 : attribute->i.value_or(-1)) == wanted;
    };
    const auto is_one = [&](std::string_view name) {
      const OnnxAttribute* attribute = node->Find(name);
      return attribute == nullptr || attribute->f.value_or(0) == 1.0f;
    };
    if (!is("transA", 0) || !is("transB", 1) || !is_one("alpha") || !is_one("beta")) return false;
    const OnnxTensor* weight = file_.FindInitializer(node->inputs[1]);
    const OnnxTensor* bias = file_.FindInitializer(node->inputs[2]);
    if (weight == nullptr || bias == nullptr || weight->type != OnnxType::kFloat ||
        bias->type != OnnxType::kFloat || weight->dims.size() != 2 || bias->dims.size() != 1)
      return false;
    const std::string_view name = weight->name;
    if (!name.ends_with(kWeight) || !bias->name.ends_with(kBias)) return false;
    const std::string_view stem = name.substr(0, name.size() - kWeight.size());
    if (bias->name.substr(0, bias->name.size() - kBias.size()) != stem) return false;
    layers_[num_layers_++] = stem;
    head_.weights.insert(head_.weights.end(), {weight, bias});
    Take(*node);
    return true;
  }

  // Gather(states, 0, axis=1)
  bool TakeFirstToken() {
    const OnnxNode* node = Maker();
    if (node == nullptr || !IsPlain(*node, "Gather") || node->inputs.size() != 2) return false;
    const OnnxAttribute* axis = node->Find("axis");
    const OnnxTensor* index = values_.ConstantOf(node->inputs[1]);
    if (axis == nullptr || axis->i.value_or(0) != 1 || index == nullptr || !index->dims.empty() ||
        index->type != OnnxType::kInt64)
      return false;
    const auto bytes = file_.ValuesOf(*index);
    int64_t value = -1;
    if (bytes.size() != sizeof value) return false;
    std::memcpy(&value, bytes.data(), sizeof value);
    if (value != 0) return false;
    Take(*node);
    // The states may be an output of another name, but not read by what is not the head.
    return values_.OnlyReaderOf(head_.states) == node;
  }

  const OnnxFile& file_;
  const ValueMap values_;
  OnnxHead head_;
  std::array<std::string_view, 2> layers_;  // The last one first.
  size_t num_layers_ = 0;
  std::optional<RowActivation> activation_;
};

// Whether `layer` is the graph's of that name, "m.classifier" being "classifier".
bool IsLayer(const Module& module, std::string_view name, RowActivation activation) {
  const auto* dense = std::get_if<Dense>(&module);
  return dense != nullptr && name.ends_with(dense->folder) && dense->activation == activation;
}

// Whether what config.json and the names say is what the graph computes.
bool Agrees(const ClassificationHead& head, const HeadReader& graph) {
  const auto* pooling = std::get_if<Pooling>(&head.modules.front());
  if (pooling == nullptr || pooling->modes != std::vector{PoolingMode::kCls}) return false;
  const bool two = !graph.dense().empty();
  if (head.modules.size() != (two ? 3u : 2u)) return false;
  if (two && !IsLayer(head.modules[1], graph.dense(), *graph.activation())) return false;
  return IsLayer(head.modules.back(), graph.output(), RowActivation::kIdentity);
}

}  // namespace

bool OnnxHead::Contains(const OnnxNode& node) const {
  return std::ranges::find(nodes, &node) != nodes.end();
}

std::optional<OnnxHead> FindClassificationHead(const OnnxFile& file, JsonValue config) {
  if (!IsArchitecture(config, "ForSequenceClassification")) return std::nullopt;
  HeadReader reader(file);
  std::optional<OnnxHead> head = reader.Read();
  if (!head) return std::nullopt;
  const Result<TensorIndex> names = OnnxTensors(file, OnnxValues::kNone, head->weights);
  if (!names) return std::nullopt;
  const Result<ClassificationHead> known = LoadClassificationHead(config, *names);
  if (!known || !Agrees(*known, reader)) return std::nullopt;
  return head;
}

Result<OnnxClassifier> LoadOnnxClassifier(const ModelDirectory& directory, JsonValue config) {
  OnnxClassifier classifier;
  AKIN_TRY_ASSIGN(classifier.head, ReadClassificationLabels(config));
  const Result<std::string> name = DefaultOnnxFile(directory);
  if (!name) return classifier;  // One that an option names gives the logits.
  const Result<OnnxFile> file = OnnxFile::Open(directory, *name);
  if (!file) {
    classifier.unread = file.error().message();
    return classifier;
  }
  const std::optional<OnnxHead> head = FindClassificationHead(*file, config);
  if (!head) return classifier;
  AKIN_TRY_ASSIGN(classifier.tensors, OnnxTensors(*file, OnnxValues::kCopied, head->weights));
  AKIN_TRY_ASSIGN(classifier.head, LoadClassificationHead(config, *classifier.tensors));
  return classifier;
}

}  // namespace akin::model

#include "model/onnx_head.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "model/model_directory.h"
#include "model/onnx_parts.h"
#include "model/onnx_values.h"
#include "model/onnx_weights.h"

namespace akin::model {
namespace {

using formats::JsonValue;
using formats::OnnxNode;
using formats::OnnxTensor;

// The layers of a head as the graph has them.
struct GraphHead {
  OnnxHead head;
  OnnxLinear output;
  std::optional<RowActivation> activation;  // Of `dense`.
  std::optional<OnnxLinear> dense;
  std::optional<OnnxLayerNorm> norm;  // Behind `dense`.
};

// Walks from the output towards the inputs, and takes each layer that it knows.
class HeadReader {
 public:
  explicit HeadReader(const OnnxFile& file) : file_(file), values_(file), parts_(file, values_) {}

  std::optional<GraphHead> ReadClassification() {
    if (!TakeOutput()) return std::nullopt;
    if (TakeActivation() && !TakeDense()) return std::nullopt;
    const auto first = parts_.FirstToken(states());
    if (!first) return std::nullopt;
    Take(*first);
    return Finish();
  }

  std::optional<GraphHead> ReadMaskedLm() {
    if (!TakeOutput()) return std::nullopt;
    found_.norm = parts_.LayerNorm(states());
    if (!found_.norm) return std::nullopt;
    Take(*found_.norm);
    Use({found_.norm->weight, found_.norm->bias});
    if (!TakeActivation() || !TakeDense()) return std::nullopt;
    return Finish();
  }

 private:
  std::string_view& states() { return found_.head.states; }

  void Take(const OnnxPart& part) {
    std::vector<const OnnxNode*>& nodes = found_.head.nodes;
    nodes.insert(nodes.end(), part.nodes.begin(), part.nodes.end());
    states() = part.input;
  }
  void Use(std::initializer_list<const OnnxTensor*> weights) {
    found_.head.weights.insert(found_.head.weights.end(), weights);
  }

  bool TakeOutput() {
    if (file_.graph().outputs.size() != 1) return false;
    const auto linear = parts_.Linear(file_.graph().outputs[0].name);
    if (!linear) return false;
    found_.output = *linear;
    Take(*linear);
    Use({linear->weight, linear->bias});
    return true;
  }

  bool TakeDense() {
    found_.dense = parts_.Linear(states());
    if (!found_.dense) return false;
    Take(*found_.dense);
    Use({found_.dense->weight, found_.dense->bias});
    return true;
  }

  bool TakeActivation() {
    for (const auto& [op_type, activation] :
         {std::pair("Tanh", RowActivation::kTanh), std::pair("Relu", RowActivation::kRelu)}) {
      const OnnxNode* node = parts_.Made(states(), op_type, 1);
      if (node == nullptr) continue;
      Take({.input = node->inputs[0], .nodes = {node}});
      found_.activation = activation;
      return true;
    }
    const auto gelu = parts_.Gelu(states());
    if (!gelu) return false;
    Take(*gelu);
    found_.activation = RowActivation::kGelu;
    return true;
  }

  // Nothing but the head reads what is made in it, or the states that it reads.
  std::optional<GraphHead> Finish() {
    const OnnxHead& head = found_.head;
    const auto stays_inside = [&](std::string_view value) {
      return std::ranges::all_of(values_.ReadersOf(value),
                                 [&](const OnnxNode* reader) { return head.Contains(*reader); });
    };
    for (const OnnxNode* node : head.nodes) {
      if (!std::ranges::all_of(node->outputs, stays_inside)) return std::nullopt;
    }
    if (!stays_inside(head.states)) return std::nullopt;
    return std::move(found_);
  }

  const OnnxFile& file_;
  const ValueMap values_;
  const OnnxParts parts_;
  GraphHead found_;
};

// --- Whether what config.json and the names say is what the graph computes ---

// "m.classifier" is "classifier" with what an exporter puts in front.
bool IsNamed(std::string_view name, std::string_view wanted) {
  return name == wanted || (name.ends_with(wanted) && name[name.size() - wanted.size() - 1] == '.');
}

bool IsLayer(const Module& module, std::string_view name, RowActivation activation) {
  const auto* dense = std::get_if<Dense>(&module);
  return dense != nullptr && IsNamed(name, dense->folder) && dense->activation == activation;
}

bool Agrees(const ClassificationHead& head, const GraphHead& graph) {
  const auto* pooling = std::get_if<Pooling>(&head.modules.front());
  if (pooling == nullptr || pooling->modes != std::vector{PoolingMode::kCls}) return false;
  const bool two = graph.dense.has_value();
  if (head.modules.size() != (two ? 3u : 2u)) return false;
  if (two && !IsLayer(head.modules[1], graph.dense->name, *graph.activation)) return false;
  return IsLayer(head.modules.back(), graph.output.name, RowActivation::kIdentity);
}

// `decoder` was found among the tensors of the graph's head alone, so that it is the output layer.
bool Agrees(const std::vector<Module>& modules, const VocabularyPooling& decoder,
            const GraphHead& graph) {
  if (modules.size() != 2 || !IsLayer(modules[0], graph.dense->name, *graph.activation))
    return false;
  const auto* norm = std::get_if<RowLayerNorm>(&modules[1]);
  return norm != nullptr && IsNamed(graph.norm->name, norm->folder) &&
         norm->eps == graph.norm->eps && !decoder.bias.empty();
}

std::optional<OnnxHead> FindClassificationHead(const OnnxFile& file, JsonValue config) {
  std::optional<GraphHead> graph = HeadReader(file).ReadClassification();
  if (!graph) return std::nullopt;
  const Result<TensorIndex> names = OnnxTensors(file, graph->head.weights);
  if (!names) return std::nullopt;
  const Result<ClassificationHead> known = LoadClassificationHead(config, *names);
  if (!known || !Agrees(*known, *graph)) return std::nullopt;
  return std::move(graph->head);
}

std::optional<OnnxHead> FindMaskedLmHead(const OnnxFile& file, JsonValue config) {
  const auto gives_rows_of_tokens = [](const formats::OnnxValueInfo& output) {
    return output.dims && output.dims->size() == 3;
  };
  if (!std::ranges::all_of(file.graph().outputs, gives_rows_of_tokens)) return std::nullopt;
  std::optional<GraphHead> graph = HeadReader(file).ReadMaskedLm();
  if (!graph) return std::nullopt;
  const Result<TensorIndex> names = OnnxTensors(file, graph->head.weights);
  if (!names) return std::nullopt;
  VocabularyPooling decoder;
  const Result<std::vector<Module>> modules = LoadMaskedLmHead(config, *names, decoder);
  if (!modules || !Agrees(*modules, decoder, *graph)) return std::nullopt;
  return std::move(graph->head);
}

// The weights of the default file's head.
Result<std::optional<TensorIndex>> LoadHead(const ModelDirectory& directory, JsonValue config,
                                            std::optional<OnnxHead> (*find)(const OnnxFile&,
                                                                            JsonValue)) {
  const Result<std::string> name = DefaultOnnxFile(directory);
  if (!name) return std::optional<TensorIndex>();
  Result<OnnxFile> opened = OnnxFile::Open(directory, *name);
  if (!opened) return std::optional<TensorIndex>();
  const OnnxFile& file = *opened;
  const std::optional<OnnxHead> head = find(file, config);
  if (!head) return std::optional<TensorIndex>();
  AKIN_TRY_ASSIGN(TensorIndex tensors, OnnxTensors(file, head->weights));
  return std::optional(std::move(tensors));
}

}  // namespace

bool OnnxHead::Contains(const OnnxNode& node) const {
  return std::ranges::find(nodes, &node) != nodes.end();
}

bool OnnxHead::Contains(const OnnxTensor& weight) const {
  return std::ranges::find(weights, &weight) != weights.end();
}

std::optional<OnnxHead> FindOnnxHead(const OnnxFile& file, JsonValue config) {
  if (IsArchitecture(config, "ForSequenceClassification"))
    return FindClassificationHead(file, config);
  if (IsArchitecture(config, "ForMaskedLM")) return FindMaskedLmHead(file, config);
  return std::nullopt;
}

Result<std::optional<OnnxClassifier>> LoadOnnxClassifier(const ModelDirectory& directory,
                                                         JsonValue config) {
  AKIN_TRY_ASSIGN(auto tensors, LoadHead(directory, config, FindClassificationHead));
  if (!tensors) return std::optional<OnnxClassifier>();
  AKIN_TRY_ASSIGN(ClassificationHead head, LoadClassificationHead(config, *tensors));
  return std::optional(OnnxClassifier{std::move(head), std::move(*tensors)});
}

Result<std::optional<OnnxMaskedLm>> LoadOnnxMaskedLm(const ModelDirectory& directory,
                                                     JsonValue config, VocabularyPooling& decoder) {
  AKIN_TRY_ASSIGN(auto tensors, LoadHead(directory, config, FindMaskedLmHead));
  if (!tensors) return std::optional<OnnxMaskedLm>();
  AKIN_TRY_ASSIGN(std::vector<Module> modules, LoadMaskedLmHead(config, *tensors, decoder));
  return std::optional(OnnxMaskedLm{std::move(modules), std::move(*tensors)});
}

}  // namespace akin::model

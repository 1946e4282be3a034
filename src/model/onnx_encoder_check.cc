#include "model/onnx_encoder_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "model/onnx_head.h"
#include "model/onnx_named_weights.h"
#include "model/onnx_parts.h"

namespace akin::model {
namespace {

using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

// Everything that the exports of a plain encoder have: products, sums, norms, GELU, softmax, and
// the arithmetic on shapes and masks around them.
constexpr std::string_view kOperators[] = {
    "Add",    "And",     "Cast",       "Concat",   "Constant",         "ConstantOfShape",
    "Div",    "Equal",   "Erf",        "Expand",   "Gather",           "GatherND",
    "Gelu",   "Greater", "IsNaN",      "Identity", "GreaterOrEqual",   "LayerNormalization",
    "MatMul", "Max",     "Mul",        "Not",      "DequantizeLinear", "DynamicQuantizeLinear",
    "Pow",    "Range",   "ReduceMean", "Relu",     "MatMulInteger",    "Reshape",
    "Shape",  "Slice",   "Softmax",    "Sqrt",     "Squeeze",          "Sub",
    "Tanh",   "Where",   "Transpose",  "Unsqueeze"};

// What the encoder reads of a text.
constexpr std::string_view kInputs[] = {"input_ids", "attention_mask", "token_type_ids",
                                        "position_ids"};

// The versions of ONNX's own operators that mean what is taken for granted here.
constexpr int64_t kLeastOpset = 7, kMostOpset = 25;

// Counts of operators, against what the layers of the configuration ask for.
class EncoderCheck {
 public:
  EncoderCheck(const OnnxFile& file, const ModelConfig& config, const OnnxHead* head)
      : file_(file), config_(config), head_(head), finder_(file), parts_(file, finder_.values()) {}

  Status Run() {
    AKIN_TRY(CheckKind());
    AKIN_TRY(CheckInterface());
    AKIN_TRY(CheckPositions());
    for (const OnnxNode& node : file_.graph().nodes) {
      if (IsOfHead(node) || std::ranges::find(positions_, &node) != positions_.end()) continue;
      const bool plain = formats::IsOnnxDomain(node.domain);
      if (!plain || std::ranges::find(kOperators, node.op_type) == std::end(kOperators))
        return Doubt("has the ", DescribeNode(node));
      ++counts_[node.op_type];
    }
    for (const WeightFinder::UnknownWeight& weight : finder_.unknown()) {
      if (IsOfHead(*weight.reader)) continue;
      return Doubt("makes the weight of ", DescribeNode(*weight.reader), " with ", weight.maker,
                   ", which is not understood there");
    }
    if (!finder_.nameless().empty())
      return Doubt("has a matrix '", finder_.nameless()[0], "' whose place is not known");
    AKIN_TRY(CheckWeightNames());
    AKIN_TRY(CheckLayers());
    AKIN_TRY(CheckNorms());
    return CheckOutput();
  }

 private:
  template <typename... Pieces>
  Error Doubt(const Pieces&... pieces) const {
    return UnsupportedModel(
        file_.name(),
        ": backend native runs graphs that are the encoder of config.json and no more; this one ",
        pieces..., "; backend onnxruntime runs it");
  }

  // What is looked for below is the encoder of BERT and its like.
  Status CheckKind() const {
    const bool plain =
        config_.norm == NormKind::kLayerNorm && config_.norm_placement == NormPlacement::kPost &&
        config_.norm_bias && config_.embedding_norm && !config_.embedding_projection &&
        config_.embedding_scale == 1.0f && config_.rotary.empty() && !config_.alibi &&
        !config_.relative_bias && !config_.disentangled && !config_.convolution && !config_.gated &&
        config_.qkv_bias && config_.attention_output_bias && config_.intermediate_bias &&
        config_.output_bias && config_.num_hidden_groups == 0 &&
        config_.task_type_vocab_size == 0 && config_.attn_logit_softcapping == 0.0f;
    if (!plain) return Doubt("is of model_type ", config_.model_type, ", which is not looked into");
    return {};
  }

  Status CheckInterface() const {
    for (const formats::OnnxValueInfo& input : file_.graph().inputs) {
      const bool known = std::ranges::find(kInputs, input.name) != std::end(kInputs) ||
                         file_.FindInitializer(input.name) != nullptr;
      if (!known) return Doubt("has the input '", input.name, "'");
    }
    for (const formats::OnnxValueInfo& output : file_.graph().outputs) {
      if (head_ == nullptr && output.name == "logits" && output.dims && output.dims->size() == 3)
        return Doubt("gives logits of every token, of a head that is not taken apart");
    }
    for (const formats::OnnxOpset& opset : file_.model().opsets) {
      const bool own = formats::IsOnnxDomain(opset.domain);
      if (own && (opset.version < kLeastOpset || opset.version > kMostOpset))
        return Doubt("has opset ", opset.version);
    }
    return {};
  }

  bool IsOfHead(const OnnxNode& node) const { return head_ != nullptr && head_->Contains(node); }

  // Positions that config.json counts from the padding on, the graph has to count likewise; what
  // it counts them with is nothing else of an encoder.
  Status CheckPositions() {
    if (!config_.positions_after_padding) return {};
    for (const OnnxNode& node : file_.graph().nodes) {
      if (node.op_type != "Gather" || node.inputs.size() != 2 ||
          node.inputs[0].find("position_embeddings") == std::string_view::npos)
        continue;
      const auto counted = parts_.CountedPositions(node.inputs[1], config_.pad_token_id);
      if (!counted) break;
      positions_ = counted->nodes;
      return {};
    }
    return Doubt("does not count positions as a model of model_type ", config_.model_type);
  }

  int Count(std::string_view op_type) const {
    const auto found = counts_.find(op_type);
    return found == counts_.end() ? 0 : found->second;
  }

  // A weight that the encoder has no use for would be computed with nevertheless.
  Status CheckWeightNames() const {
    int matrices = 0;
    std::set<std::string_view> names;
    for (const NamedWeight& weight : finder_.weights()) {
      AKIN_TRY(CheckForm(file_, weight));
      if (weight.tensor->dims.size() != 2) continue;
      if (!names.insert(weight.name).second)
        return Doubt("has the weight '", weight.name, "' twice");
      const bool of_head = head_ != nullptr && head_->Contains(*weight.tensor);
      matrices += weight.product && !of_head ? 1 : 0;
    }
    // Query, key, value, the attention's output and two of the feed-forward layer.
    if (matrices != 6 * config_.num_hidden_layers)
      return Doubt("has ", matrices, " products with weights, expected 6 in each of ",
                   config_.num_hidden_layers, " layers");
    return {};
  }

  Status CheckLayers() const {
    const int layers = config_.num_hidden_layers;
    // Of two results: scores, and what they weigh. Each weight is that of one product
    // (CheckWeightNames), so that what there is beside them is counted, whatever it multiplies.
    const int products = Count("MatMul") + Count("MatMulInteger") - 6 * layers;
    if (products != 2 * layers || Count("Softmax") != layers)
      return Doubt("has ", Count("Softmax"), " softmaxes and ", products,
                   " products of attention, expected one and two in each of ", layers, " layers");
    const auto expect = [&](std::string_view op_type, Activation activation) {
      return Count(op_type) == (config_.hidden_act == activation ? layers : 0);
    };
    const int exact = Count("Erf") + Count("Gelu");
    if (exact != (config_.hidden_act == Activation::kGelu ? layers : 0) ||
        !expect("Tanh", Activation::kGeluTanh) || !expect("Relu", Activation::kRelu))
      return Doubt("has other activations than config.json");
    return {};
  }

  // Two norms a layer and one for the embeddings, with the configuration's epsilon.
  Status CheckNorms() const {
    const int norms = Count("LayerNormalization") + Count("ReduceMean") / 2;
    if (norms != 2 * config_.num_hidden_layers + 1)
      return Doubt("has ", norms, " norms, expected ", 2 * config_.num_hidden_layers + 1);
    int roots = 0;
    for (const OnnxNode& node : file_.graph().nodes) {
      if (IsOfHead(node)) continue;
      std::optional<float> epsilon;
      if (node.op_type == "LayerNormalization") {
        const formats::OnnxAttribute* attribute = node.Find("epsilon");
        epsilon = attribute == nullptr ? 1e-5f : attribute->f.value_or(1e-5f);
      } else if (node.op_type == "Sqrt") {
        epsilon = EpsilonUnder(node);
        if (!epsilon) continue;  // The root of a head's size.
        ++roots;
      } else {
        continue;
      }
      if (std::abs(*epsilon - config_.layer_norm_eps) > 1e-3f * config_.layer_norm_eps)
        return Doubt("has a norm of epsilon ", *epsilon, ", config.json says ",
                     config_.layer_norm_eps);
    }
    if (roots != Count("ReduceMean") / 2) return Doubt("has norms of an unknown form");
    return {};
  }

  // Sqrt(Add(variance, epsilon)).
  std::optional<float> EpsilonUnder(const OnnxNode& root) const {
    const OnnxNode* sum = root.inputs.empty() ? nullptr : finder_.values().MakerOf(root.inputs[0]);
    if (sum == nullptr || sum->op_type != "Add") return std::nullopt;
    for (const std::string_view input : sum->inputs) {
      const OnnxTensor* tensor = finder_.values().ConstantOf(input);
      if (tensor != nullptr && tensor->type == OnnxType::kFloat && tensor->num_elements() == 1 &&
          tensor->dims.size() <= 1)
        return FloatAt(file_.ValuesOf(*tensor), 0);
    }
    return std::nullopt;
  }

  // The one output, or what the head reads, is a norm's result, as the last thing that an encoder
  // does.
  Status CheckOutput() const {
    if (file_.graph().outputs.size() != 1)
      return Doubt("has ", file_.graph().outputs.size(), " outputs");
    const std::string_view states =
        head_ != nullptr ? head_->states : file_.graph().outputs[0].name;
    const OnnxNode* maker = finder_.values().MakerOf(states);
    const bool is_norm = maker != nullptr && maker->op_type == "LayerNormalization";
    if (!is_norm && !parts_.LayerNorm(states))
      return Doubt("has an output that is not that of a norm");
    return {};
  }

  const OnnxFile& file_;
  const ModelConfig& config_;
  const OnnxHead* const head_;  // Or nullptr.
  const WeightFinder finder_;
  const OnnxParts parts_;
  std::vector<const OnnxNode*> positions_;  // That count them.
  std::map<std::string_view, int> counts_;
};

}  // namespace

Status CheckIsEncoder(const OnnxFile& file, const ModelConfig& config, const OnnxHead* head) {
  return EncoderCheck(file, config, head).Run();
}

}  // namespace akin::model

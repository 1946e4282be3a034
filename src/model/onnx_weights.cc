#include "model/onnx_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/shared_memory.h"
#include "base/strings.h"
#include "model/model_directory.h"
#include "model/onnx_head.h"
#include "model/onnx_parts.h"
#include "model/onnx_values.h"

namespace akin::model {
namespace {

using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

constexpr std::string_view kBias = ".bias", kWeight = ".weight", kQuantized = "_quantized";
// Whose bias is a parameter of the head, and whose weight one of the decoder in it.
constexpr std::string_view kDecodingHeads[] = {"cls.predictions", "lm_head"};

// A stored matrix of integers: value = (q - zero_point) * scale; one scale, or one a column.
struct Quantization {
  const OnnxTensor* scale = nullptr;
  const OnnxTensor* zero_point = nullptr;
};

struct NamedWeight {
  std::string name;
  const OnnxTensor* tensor = nullptr;
  bool transposed = false;  // Stored [in, out].
  std::optional<Quantization> quantization;
};

bool IsFloat(OnnxType type) {
  return type == OnnxType::kFloat || type == OnnxType::kFloat16 || type == OnnxType::kBfloat16;
}

bool IsMatrix(const OnnxTensor* tensor) { return tensor != nullptr && tensor->dims.size() == 2; }

std::string_view WithoutEnd(std::string_view text, std::string_view end) {
  return text.ends_with(end) ? text.substr(0, text.size() - end.size()) : text;
}

// Finds the weights of a graph, each with its name.
class WeightFinder {
 public:
  explicit WeightFinder(const OnnxFile& file) : file_(file), values_(file) {
    for (const OnnxNode& node : file.graph().nodes) VisitNode(node);
    for (const OnnxTensor& tensor : file.graph().initializers) {
      if (!used_.contains(&tensor) && IsFloat(tensor.type) && !tensor.dims.empty())
        weights_.push_back({std::string(tensor.name), &tensor});
    }
    StripCommonPrefix();
  }

  const std::vector<NamedWeight>& weights() const { return weights_; }
  // Matrices whose name could not be found out, as the file calls them.
  const std::vector<std::string>& nameless() const { return nameless_; }
  const ValueMap& values() const { return values_; }

 private:
  void VisitNode(const OnnxNode& node) {
    if (!node.domain.empty() && node.domain != "ai.onnx") return;
    if (node.op_type == "MatMul" && node.inputs.size() == 2) {
      const OnnxTensor* matrix = file_.FindInitializer(node.inputs[1]);
      if (IsMatrix(matrix) && IsFloat(matrix->type)) Add(matrix, node.outputs[0], std::nullopt);
    } else if (node.op_type == "MatMulInteger") {
      VisitMatMulInteger(node);
    } else if (node.op_type == "DequantizeLinear") {
      VisitDequantizeLinear(node);
    }
  }

  // MatMulInteger -> Cast -> Mul(scale of the row * scale of the weight) -> Add(bias)
  void VisitMatMulInteger(const OnnxNode& node) {
    const OnnxTensor* matrix =
        node.inputs.size() < 2 ? nullptr : file_.FindInitializer(node.inputs[1]);
    if (!IsMatrix(matrix) || node.outputs.empty()) return;
    Quantization quantization;
    if (node.inputs.size() > 3) quantization.zero_point = file_.FindInitializer(node.inputs[3]);
    const OnnxNode* cast = values_.OnlyReaderOf(node.outputs[0]);
    const OnnxNode* scaled = cast == nullptr || cast->op_type != "Cast"
                                 ? nullptr
                                 : values_.OnlyReaderOf(cast->outputs[0]);
    if (scaled != nullptr && scaled->op_type == "Mul")
      quantization.scale = ScaleOf(*scaled, cast->outputs[0]);
    if (quantization.scale == nullptr) {
      nameless_.emplace_back(matrix->name);
      return;
    }
    used_.insert(quantization.scale);
    used_.insert(quantization.zero_point);
    Add(matrix, scaled->outputs[0], quantization);
  }

  // The initializer among what `scaled` multiplies `value` with: directly, or in a product of two
  // scales.
  const OnnxTensor* ScaleOf(const OnnxNode& scaled, std::string_view value) const {
    for (const std::string_view input : scaled.inputs) {
      if (input == value) continue;
      if (const OnnxTensor* scale = file_.FindInitializer(input)) return scale;
      const OnnxNode* product = values_.MakerOf(input);
      if (product == nullptr || product->op_type != "Mul") return nullptr;
      for (const std::string_view factor : product->inputs) {
        if (const OnnxTensor* scale = file_.FindInitializer(factor)) return scale;
      }
    }
    return nullptr;
  }

  void VisitDequantizeLinear(const OnnxNode& node) {
    if (node.inputs.size() < 2 || node.outputs.empty()) return;
    const OnnxTensor* matrix = file_.FindInitializer(node.inputs[0]);
    // Of a table the rows are looked up first and only they are dequantized.
    const OnnxNode* lookup = matrix != nullptr ? nullptr : values_.MakerOf(node.inputs[0]);
    if (lookup != nullptr && lookup->op_type == "Gather" && !lookup->inputs.empty())
      matrix = file_.FindInitializer(lookup->inputs[0]);
    const OnnxTensor* scale = file_.FindInitializer(node.inputs[1]);
    if (matrix == nullptr || scale == nullptr) return;
    Quantization quantization{.scale = scale};
    if (node.inputs.size() > 2) quantization.zero_point = file_.FindInitializer(node.inputs[2]);
    used_.insert({matrix, scale, quantization.zero_point});
    const OnnxNode* reader = values_.OnlyReaderOf(node.outputs[0]);
    if (reader != nullptr && reader->op_type == "MatMul" && reader->inputs.size() == 2 &&
        reader->inputs[1] == node.outputs[0])
      return Add(matrix, reader->outputs[0], quantization);
    weights_.push_back({.name = std::string(WithoutEnd(matrix->name, kQuantized)),
                        .tensor = matrix,
                        .quantization = quantization});
  }

  // A matrix that is multiplied with from the right; `product` is the result.
  void Add(const OnnxTensor* matrix, std::string_view product,
           std::optional<Quantization> quantization) {
    if (!used_.insert(matrix).second && !quantization) return;
    const OnnxNode* sum = values_.OnlyReaderOf(product);
    if (sum != nullptr && sum->op_type == "Add") {
      for (const std::string_view input : sum->inputs) {
        const OnnxTensor* bias = file_.FindInitializer(input);
        if (bias == nullptr || !input.ends_with(kBias)) continue;
        std::string stem(WithoutEnd(input, kBias));
        if (std::ranges::any_of(kDecodingHeads, [&](auto head) { return stem.ends_with(head); }))
          stem += ".decoder";
        weights_.push_back({.name = stem + std::string(kWeight),
                            .tensor = matrix,
                            .transposed = true,
                            .quantization = quantization});
        return;
      }
    }
    nameless_.emplace_back(matrix->name);
  }

  // "m.embeddings...", "m.encoder...": what stands in front of all names is the exporter's.
  void StripCommonPrefix() {
    std::optional<std::string> prefix;
    for (const NamedWeight& weight : weights_) {
      if (weight.tensor->dims.size() != 2) continue;
      const std::string& name = weight.name;
      if (!prefix) prefix = name.substr(0, name.find('.') + 1);
      if (!name.starts_with(*prefix)) prefix = "";
    }
    if (!prefix || prefix->empty()) return;
    for (NamedWeight& weight : weights_) {
      if (weight.name.starts_with(*prefix)) weight.name.erase(0, prefix->size());
    }
  }

  const OnnxFile& file_;
  const ValueMap values_;
  std::set<const OnnxTensor*> used_;
  std::vector<NamedWeight> weights_;
  std::vector<std::string> nameless_;
};

// --- Numbers ---

// Element i of a tensor of integers.
int32_t IntegerAt(const OnnxTensor& tensor, std::span<const std::byte> bytes, size_t i) {
  const auto byte = std::to_integer<uint8_t>(bytes[i]);
  return tensor.type == OnnxType::kInt8 ? static_cast<int8_t>(byte) : byte;
}

bool IsByteInteger(const OnnxTensor& tensor) {
  return tensor.type == OnnxType::kInt8 || tensor.type == OnnxType::kUint8;
}

float FloatAt(std::span<const std::byte> bytes, size_t i) {
  float value;
  std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
  return value;
}

// Writes the weight as f32 into `out`, [out, in].
class Materializer {
 public:
  Materializer(const OnnxFile& file, const NamedWeight& weight) : file_(file), weight_(weight) {}

  // Whether the file's bytes are the values as they are to be.
  bool is_plain() const { return !weight_.transposed && !weight_.quantization; }

  Status Check() const {
    const OnnxTensor& tensor = *weight_.tensor;
    if (!weight_.quantization) {
      if (tensor.type == OnnxType::kFloat || is_plain()) return {};
      return Unsupported("is a transposed matrix of ", formats::OnnxTypeName(tensor.type));
    }
    const OnnxTensor& scale = *weight_.quantization->scale;
    const OnnxTensor* zero = weight_.quantization->zero_point;
    if (!IsByteInteger(tensor) || scale.type != OnnxType::kFloat)
      return Unsupported("is quantized to ", formats::OnnxTypeName(tensor.type));
    const uint64_t columns = tensor.dims.empty() ? 1 : static_cast<uint64_t>(tensor.dims.back());
    const uint64_t scales = scale.num_elements();
    if (scales != 1 && (scales != columns || tensor.dims.size() != 2 || !weight_.transposed))
      return Unsupported("has ", scales, " scales for ", columns, " columns");
    if (zero != nullptr && (zero->type != tensor.type ||
                            (zero->num_elements() != 1 && zero->num_elements() != scales)))
      return Unsupported("has zero points that do not fit its scales");
    return {};
  }

  // Values of what is not plain are f32.
  size_t num_bytes() const {
    return is_plain() ? file_.ValuesOf(*weight_.tensor).size()
                      : static_cast<size_t>(weight_.tensor->num_elements()) * sizeof(float);
  }

  void Write(std::span<std::byte> out) const {
    const OnnxTensor& tensor = *weight_.tensor;
    if (is_plain()) return CopyPlain(out);
    const size_t count = static_cast<size_t>(tensor.num_elements());
    const size_t columns = tensor.dims.empty() ? 1 : static_cast<size_t>(tensor.dims.back());
    const size_t rows = columns == 0 ? 0 : count / columns;
    const std::span<const std::byte> values = file_.ValuesOf(tensor);
    // Square blocks, so that neither side of a transposition runs over all of memory for a column.
    constexpr size_t kBlock = 32;
    for (size_t row_block = 0; row_block < rows; row_block += kBlock) {
      for (size_t column_block = 0; column_block < columns; column_block += kBlock) {
        for (size_t r = row_block; r < std::min(rows, row_block + kBlock); ++r) {
          for (size_t c = column_block; c < std::min(columns, column_block + kBlock); ++c) {
            const float value = ValueAt(values, r * columns + c, c);
            const size_t to = weight_.transposed ? c * rows + r : r * columns + c;
            std::memcpy(out.data() + to * sizeof value, &value, sizeof value);
          }
        }
      }
    }
  }

 private:
  void CopyPlain(std::span<std::byte> out) const {
    if (!out.empty()) std::memcpy(out.data(), file_.ValuesOf(*weight_.tensor).data(), out.size());
  }

  float ValueAt(std::span<const std::byte> values, size_t i, size_t column) const {
    if (!weight_.quantization) return FloatAt(values, i);
    const OnnxTensor& scale = *weight_.quantization->scale;
    const OnnxTensor* zero = weight_.quantization->zero_point;
    int32_t zero_point = 0;
    if (zero != nullptr)
      zero_point = IntegerAt(*zero, file_.ValuesOf(*zero), zero->num_elements() == 1 ? 0 : column);
    return static_cast<float>(IntegerAt(*weight_.tensor, values, i) - zero_point) *
           FloatAt(file_.ValuesOf(scale), scale.num_elements() == 1 ? 0 : column);
  }

  template <typename... Pieces>
  Error Unsupported(const Pieces&... pieces) const {
    return UnsupportedModel(file_.name(), ": weight '", weight_.name, "' ", pieces...);
  }

  const OnnxFile& file_;
  const NamedWeight& weight_;
};

std::optional<DataType> DataTypeOf(OnnxType type) {
  switch (type) {
    case OnnxType::kFloat: return DataType::kF32;
    case OnnxType::kFloat16: return DataType::kF16;
    case OnnxType::kBfloat16: return DataType::kBf16;
    default: return std::nullopt;
  }
}

// --- What a graph is made of ---

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
      const bool plain = node.domain.empty() || node.domain == "ai.onnx";
      if (!plain || std::ranges::find(kOperators, node.op_type) == std::end(kOperators))
        return Doubt("has the operator '", node.op_type, "'");
      ++counts_[node.op_type];
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
      const bool own = opset.domain.empty() || opset.domain == "ai.onnx";
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
      AKIN_TRY(Materializer(file_, weight).Check());
      if (weight.tensor->dims.size() != 2) continue;
      if (!names.insert(weight.name).second)
        return Doubt("has the weight '", weight.name, "' twice");
      const bool of_head = head_ != nullptr && head_->Contains(*weight.tensor);
      matrices += weight.transposed && !of_head ? 1 : 0;
    }
    // Query, key, value, the attention's output and two of the feed-forward layer.
    if (matrices != 6 * config_.num_hidden_layers)
      return Doubt("has ", matrices, " products with weights, expected 6 in each of ",
                   config_.num_hidden_layers, " layers");
    return {};
  }

  Status CheckLayers() const {
    const int layers = config_.num_hidden_layers;
    int products = 0;  // Of two results: scores, and what they weigh.
    for (const OnnxNode& node : file_.graph().nodes) {
      if (node.op_type != "MatMul" || node.inputs.size() != 2 || IsOfHead(node)) continue;
      const OnnxNode* maker = finder_.values().MakerOf(node.inputs[1]);
      products += maker != nullptr && maker->op_type != "DequantizeLinear" ? 1 : 0;
    }
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
      if (tensor != nullptr && tensor->type == OnnxType::kFloat && tensor->num_elements() == 1)
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

Result<TensorIndex> OnnxTensors(const OnnxFile& file, OnnxValues values,
                                std::span<const OnnxTensor* const> wanted) {
  const WeightFinder finder(file);
  auto made = std::make_shared<std::vector<SharedMemory>>();
  std::vector<Tensor> tensors;
  for (const NamedWeight& weight : finder.weights()) {
    if (!wanted.empty() && std::ranges::find(wanted, weight.tensor) == wanted.end()) continue;
    const Materializer materializer(file, weight);
    AKIN_TRY(materializer.Check());
    const std::optional<DataType> type =
        materializer.is_plain() ? DataTypeOf(weight.tensor->type) : DataType::kF32;
    if (!type) continue;
    Tensor tensor{
        .name = weight.name, .file = file.name(), .dtype = *type, .shape = weight.tensor->dims};
    if (weight.transposed) std::ranges::reverse(tensor.shape);
    if (values == OnnxValues::kCopied) {
      AKIN_TRY_ASSIGN(SharedMemory memory, SharedMemory::Create(materializer.num_bytes()));
      materializer.Write(memory.bytes());
      tensor.bytes = memory.bytes();
      made->push_back(std::move(memory));
    }
    tensors.push_back(std::move(tensor));
  }
  return TensorIndex(std::move(tensors), made, file.name());
}

Status CheckIsEncoder(const OnnxFile& file, const ModelConfig& config, const OnnxHead* head) {
  return EncoderCheck(file, config, head).Run();
}

namespace {

Result<OnnxFile> OpenEncoder(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY_ASSIGN(const std::string name, DefaultOnnxFile(directory));
  AKIN_TRY_ASSIGN(OnnxFile file, OnnxFile::Open(directory, name));
  AKIN_TRY_ASSIGN(const formats::JsonDocument document, directory.ReadJson("config.json"));
  const std::optional<OnnxHead> head = FindOnnxHead(file, document.root());
  AKIN_TRY(CheckIsEncoder(file, config, head ? &*head : nullptr));
  // By their names and shapes, before their values are copied.
  AKIN_TRY_ASSIGN(const TensorIndex names, OnnxTensors(file, OnnxValues::kNone));
  AKIN_TRY(LoadWeights(names, config));
  return file;
}

}  // namespace

Status CheckOnnxEncoder(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY(OpenEncoder(directory, config));
  return {};
}

Result<ModelWeights> LoadOnnxWeights(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY_ASSIGN(const OnnxFile file, OpenEncoder(directory, config));
  AKIN_TRY_ASSIGN(const TensorIndex tensors, OnnxTensors(file, OnnxValues::kCopied));
  return LoadWeights(tensors, config);
}

}  // namespace akin::model

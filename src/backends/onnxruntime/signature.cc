#include "backends/onnxruntime/signature.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string_view>

#include "base/strings.h"

namespace akin::backends::onnxruntime {
namespace {

using formats::OnnxDim;
using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;
using formats::OnnxValueInfo;

constexpr std::pair<std::string_view, InputRole> kInputNames[] = {
    {"input_ids", InputRole::kInputIds},       {"attention_mask", InputRole::kAttentionMask},
    {"input_mask", InputRole::kAttentionMask}, {"token_type_ids", InputRole::kTokenTypeIds},
    {"segment_ids", InputRole::kTokenTypeIds}, {"position_ids", InputRole::kPositionIds},
};

constexpr std::string_view kLogits = "logits";

struct OutputName {
  std::string_view name;
  RowKind rows;
};
// In the order of preference: what pooling has not touched yet comes first, because the model's own
// files say how to pool.
constexpr OutputName kOutputNames[] = {
    {"last_hidden_state", RowKind::kTokenStates},
    {"token_embeddings", RowKind::kTokenStates},
    {"sentence_embedding", RowKind::kVectors},
    {"pooler_output", RowKind::kPooled},
    {kLogits, RowKind::kLogits},
};

constexpr std::string_view kDomains[] = {
    "", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"};

// Take their scale from all of the tensor, so from all sequences of a batch.
constexpr std::string_view kQuantizersByBatch[] = {"DynamicQuantizeLinear", "DynamicQuantizeMatMul",
                                                   "DynamicQuantizeLSTM"};

bool IsFloat(OnnxType type) {
  return type == OnnxType::kFloat || type == OnnxType::kFloat16 || type == OnnxType::kBfloat16 ||
         type == OnnxType::kDouble;
}

std::string NamesOf(const std::vector<OnnxValueInfo>& values) {
  std::string names;
  for (const OnnxValueInfo& value : values) names += StrCat(names.empty() ? "" : ", ", value.name);
  return names;
}

Status AddInput(const model::OnnxFile& file, const OnnxValueInfo& value, Signature& signature) {
  const auto* known =
      std::ranges::find(kInputNames, value.name, [](auto& row) { return row.first; });
  if (known == std::end(kInputNames)) {
    return UnsupportedModel(file.name(), ": the graph wants an input '", value.name,
                            "', expected input_ids, attention_mask, token_type_ids, position_ids");
  }
  if (value.type != OnnxType::kInt64 && value.type != OnnxType::kInt32) {
    return UnsupportedModel(file.name(), ": input '", value.name, "' is of ",
                            formats::OnnxTypeName(value.type), ", expected int64 or int32");
  }
  signature.inputs.push_back({known->second, std::string(value.name), value.type});
  if (!value.dims) return {};
  if (value.dims->size() != 2) {
    return UnsupportedModel(file.name(), ": input '", value.name, "' has ", value.dims->size(),
                            " dimensions, expected [batch, length]");
  }
  const auto fix = [&](const OnnxDim& dim, std::optional<int64_t>& fixed) -> Status {
    if (dim.size < 0) return {};
    if (fixed.value_or(dim.size) != dim.size)
      return InvalidModel(file.name(), ": its inputs are of different shapes");
    fixed = dim.size;
    return {};
  };
  AKIN_TRY(fix((*value.dims)[0], signature.batch));
  return fix((*value.dims)[1], signature.length);
}

RowKind RowsOf(const OnnxValueInfo& output) {
  // Of each token: those of a masked language model.
  if (output.name == kLogits && output.dims && output.dims->size() == 3)
    return RowKind::kTokenLogits;
  for (const OutputName& known : kOutputNames) {
    if (known.name == output.name) return known.rows;
  }
  return output.dims && output.dims->size() == 2 ? RowKind::kVectors : RowKind::kTokenStates;
}

Result<const OnnxValueInfo*> ChooseOutput(const model::OnnxFile& file, const std::string& wanted,
                                          bool logits_first) {
  const std::vector<OnnxValueInfo>& outputs = file.graph().outputs;
  const auto find = [&](std::string_view name) -> const OnnxValueInfo* {
    const auto found = std::ranges::find(outputs, name, &OnnxValueInfo::name);
    return found == outputs.end() ? nullptr : &*found;
  };
  if (!wanted.empty()) {
    if (const OnnxValueInfo* output = find(wanted)) return output;
    return InvalidInput(file.name(), " has no output '", wanted, "', it has: ", NamesOf(outputs));
  }
  if (const OnnxValueInfo* logits = find(kLogits);
      logits_first && logits != nullptr && IsFloat(logits->type))
    return logits;
  for (const OutputName& known : kOutputNames) {
    const OnnxValueInfo* output = find(known.name);
    if (output != nullptr && IsFloat(output->type)) return output;
  }
  for (const OnnxValueInfo& output : outputs) {
    if (IsFloat(output.type)) return &output;
  }
  return UnsupportedModel(file.name(), ": none of its outputs (", NamesOf(outputs),
                          ") is of floating-point numbers");
}

void ForEachNode(std::span<const OnnxNode> nodes,
                 const std::function<void(const OnnxNode&)>& visit) {
  for (const OnnxNode& node : nodes) {
    visit(node);
    for (const formats::OnnxAttribute& attribute : node.attributes) {
      for (const auto& graph : attribute.graphs) ForEachNode(graph->nodes, visit);
    }
  }
}

void ForEachNode(const formats::OnnxModel& model,
                 const std::function<void(const OnnxNode&)>& visit) {
  ForEachNode(model.graph.nodes, visit);
  for (const formats::OnnxFunction& function : model.functions) ForEachNode(function.nodes, visit);
}

std::string PrecisionOf(OnnxType type) {
  switch (type) {
    case OnnxType::kFloat: return "f32";
    case OnnxType::kFloat16: return "f16";
    case OnnxType::kBfloat16: return "bf16";
    case OnnxType::kInt8:
    case OnnxType::kUint8: return "int8";
    case OnnxType::kInt4:
    case OnnxType::kUint4: return "int4";
    default: return formats::OnnxTypeName(type);
  }
}

// Rows of the initializer that a Gather looks up by the graph's input `indices`, through
// dequantization or not.
std::optional<int64_t> RowsLookedUpBy(const model::OnnxFile& file, std::string_view indices) {
  for (const OnnxNode& node : file.graph().nodes) {
    if (node.op_type != "Gather" || node.inputs.size() < 2 || node.inputs[1] != indices) continue;
    std::string_view table = node.inputs[0];
    for (const OnnxNode& maker : file.graph().nodes) {
      const bool makes_table = std::ranges::find(maker.outputs, table) != maker.outputs.end();
      if (makes_table && !maker.inputs.empty() && maker.op_type == "DequantizeLinear")
        table = maker.inputs[0];
    }
    const OnnxTensor* tensor = file.FindInitializer(table);
    if (tensor != nullptr && !tensor->dims.empty()) return tensor->dims[0];
  }
  return std::nullopt;
}

}  // namespace

Result<Signature> ReadSignature(const model::OnnxFile& file, const std::string& wanted_output,
                                bool logits_first) {
  Signature signature;
  for (const OnnxValueInfo& value : file.graph().inputs) {
    // Files of old IR versions list initializers among the inputs.
    if (file.FindInitializer(value.name) != nullptr) continue;
    AKIN_TRY(AddInput(file, value, signature));
  }
  const auto has_ids = [](const Input& input) { return input.role == InputRole::kInputIds; };
  if (std::ranges::none_of(signature.inputs, has_ids)) {
    return UnsupportedModel(file.name(), ": the graph has no input 'input_ids', it has: ",
                            NamesOf(file.graph().inputs));
  }
  AKIN_TRY_ASSIGN(const OnnxValueInfo* output, ChooseOutput(file, wanted_output, logits_first));
  if (!IsFloat(output->type)) {
    return UnsupportedModel(file.name(), ": output '", output->name, "' is of ",
                            formats::OnnxTypeName(output->type),
                            ", expected a floating-point type");
  }
  signature.output = output->name;
  signature.output_type = output->type;
  signature.rows = RowsOf(*output);
  return signature;
}

GraphTraits ReadTraits(const model::OnnxFile& file, const Signature& signature) {
  GraphTraits traits;
  std::map<OnnxType, int64_t> elements;
  for (const OnnxTensor& tensor : file.graph().initializers) {
    if (tensor.dims.size() >= 2)
      elements[tensor.type] += static_cast<int64_t>(tensor.num_elements());
    if (tensor.dims.size() == 2 &&
        tensor.name.find("position_embeddings") != std::string_view::npos)
      traits.num_positions = tensor.dims[0];
  }
  int64_t most = 0;
  for (const auto& [type, count] : elements) {
    if (type == OnnxType::kInt64) continue;  // Tables of positions and shapes.
    traits.num_parameters += count;
    if (count > most) {
      most = count;
      traits.precision = PrecisionOf(type);
    }
  }
  if (traits.precision.empty()) traits.precision = PrecisionOf(signature.output_type);
  ForEachNode(file.model(), [&](const OnnxNode& node) {
    if (std::ranges::find(kQuantizersByBatch, node.op_type) != std::end(kQuantizersByBatch))
      traits.quantizes_by_batch = true;
  });
  for (const Input& input : signature.inputs) {
    if (input.role == InputRole::kInputIds) traits.vocab_size = RowsLookedUpBy(file, input.name);
  }
  return traits;
}

Status CheckOperators(const model::OnnxFile& file) {
  std::set<std::string_view> own;
  for (const formats::OnnxFunction& function : file.model().functions) own.insert(function.domain);
  Status status;
  ForEachNode(file.model(), [&](const OnnxNode& node) {
    const bool known =
        std::ranges::find(kDomains, node.domain) != std::end(kDomains) || own.contains(node.domain);
    if (status && !known) {
      status =
          UnsupportedModel(file.name(), ": node '", node.name, "' is the operator '", node.domain,
                           "::", node.op_type, "', of a domain that is not known");
    }
  });
  return status;
}

}  // namespace akin::backends::onnxruntime

#include "model/onnx_parts.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <span>

#include "model/onnx_dequantize.h"

namespace akin::model {
namespace {

using formats::OnnxAttribute;
using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

constexpr std::string_view kWeight = ".weight", kBias = ".bias";

// A weight in another order than the attribute's default would be another layer.
bool IsInteger(const OnnxNode& node, std::string_view name, int64_t wanted, int64_t absent) {
  const OnnxAttribute* attribute = node.Find(name);
  return (attribute == nullptr ? absent : attribute->i.value_or(wanted + 1)) == wanted;
}

bool CastsTo(const OnnxNode& cast, OnnxType type) {
  const OnnxAttribute* to = cast.Find("to");
  return to != nullptr && to->i == static_cast<int64_t>(type);
}

bool IsOne(const OnnxNode& node, std::string_view name) {
  const OnnxAttribute* attribute = node.Find(name);
  return attribute == nullptr || attribute->f.value_or(0.0f) == 1.0f;
}

bool IsFloatOfRank(const OnnxTensor* tensor, size_t rank) {
  return tensor != nullptr && tensor->type == OnnxType::kFloat && tensor->dims.size() == rank;
}

std::optional<std::string_view> WithoutEnd(std::string_view text, std::string_view end) {
  if (!text.ends_with(end)) return std::nullopt;
  return text.substr(0, text.size() - end.size());
}

// Constants in f32 are near what they stand for.
bool IsNear(double x, double wanted) { return std::abs(x - wanted) <= 1e-6 * std::abs(wanted); }

void Append(const OnnxPart& from, OnnxPart& to) {
  to.nodes.insert(to.nodes.end(), from.nodes.begin(), from.nodes.end());
}

}  // namespace

struct OnnxParts::Product : OnnxPart {
  const OnnxTensor* weight = nullptr;
};

const OnnxNode* OnnxParts::Made(std::string_view value, std::string_view op_type,
                                size_t num_inputs) const {
  const OnnxNode* node = values_.MakerOf(value);
  return node != nullptr && node->Is(op_type, num_inputs) ? node : nullptr;
}

std::optional<double> OnnxParts::ScalarOf(std::string_view value) const {
  const OnnxTensor* tensor = values_.ConstantOf(value);
  // A number of more dimensions might give some to what it meets.
  if (tensor == nullptr || tensor->num_elements() != 1 || tensor->dims.size() > 1)
    return std::nullopt;
  const std::span<const std::byte> bytes = file_.ValuesOf(*tensor);
  const auto read = [&](auto number) -> std::optional<double> {
    if (bytes.size() != sizeof number) return std::nullopt;
    std::memcpy(&number, bytes.data(), sizeof number);
    return static_cast<double>(number);
  };
  if (tensor->type == OnnxType::kFloat) return read(float{});
  if (tensor->type == OnnxType::kInt64) return read(int64_t{});
  if (tensor->type == OnnxType::kInt32) return read(int32_t{});
  return std::nullopt;
}

bool OnnxParts::IsScalar(std::string_view value, double wanted) const {
  const std::optional<double> scalar = ScalarOf(value);
  return scalar && IsNear(*scalar, wanted);
}

std::optional<std::string_view> OnnxParts::Beside(const OnnxNode& node, double wanted) const {
  if (IsScalar(node.inputs[1], wanted)) return node.inputs[0];
  if (IsScalar(node.inputs[0], wanted)) return node.inputs[1];
  return std::nullopt;
}

// --- Linear ---

std::optional<OnnxLinear> OnnxParts::LinearOfGemm(std::string_view value) const {
  const OnnxNode* node = Made(value, "Gemm", 3);
  if (node == nullptr || !IsInteger(*node, "transA", 0, 0) || !IsInteger(*node, "transB", 1, 0) ||
      !IsOne(*node, "alpha") || !IsOne(*node, "beta"))
    return std::nullopt;
  OnnxLinear linear;
  linear.weight = values_.StoredOf(node->inputs[1]);
  linear.bias = values_.StoredOf(node->inputs[2]);
  if (!IsFloatOfRank(linear.weight, 2) || !IsFloatOfRank(linear.bias, 1)) return std::nullopt;
  const auto name = WithoutEnd(node->inputs[1], kWeight);
  if (!name || WithoutEnd(node->inputs[2], kBias) != name) return std::nullopt;
  linear.name = *name;
  linear.input = node->inputs[0];
  linear.nodes = {node};
  return linear;
}

// MatMul(x, W), W being an initializer [in, out], a table [out, in] turned, or either dequantized.
std::optional<OnnxParts::Product> OnnxParts::MatrixProduct(std::string_view value) const {
  const OnnxNode* node = Made(value, "MatMul", 2);
  if (node == nullptr) return std::nullopt;
  Product product;
  product.input = node->inputs[0];
  product.nodes = {node};
  product.weight = values_.StoredOf(node->inputs[1]);
  if (product.weight != nullptr) return product;
  if (const auto found = FindDequantized(file_, values_, node->inputs[1])) {
    if (found->looked_up) return std::nullopt;
    product.weight = found->matrix;
    product.nodes.insert(product.nodes.end(), found->nodes.begin(), found->nodes.end());
  } else if (const OnnxNode* turned = Made(node->inputs[1], "Transpose", 1)) {
    const OnnxAttribute* perm = turned->Find("perm");
    if (perm != nullptr && perm->ints != std::vector<int64_t>{1, 0}) return std::nullopt;
    product.weight = values_.StoredOf(turned->inputs[0]);
    product.nodes.push_back(turned);
  }
  return product.weight == nullptr ? std::nullopt : std::optional(product);
}

// Cast(MatMulInteger(q, W, zero point of x, zero point of W)) * (scale of x * scale of W), with
// q, scale and zero point of DynamicQuantizeLinear(x).
std::optional<OnnxParts::Product> OnnxParts::QuantizedProduct(std::string_view value) const {
  const OnnxNode* scaled = Made(value, "Mul", 2);
  if (scaled == nullptr) return std::nullopt;
  for (const size_t side : {0, 1}) {
    const OnnxNode* cast = Made(scaled->inputs[side], "Cast", 1);
    const OnnxNode* scale = Made(scaled->inputs[1 - side], "Mul", 2);
    if (cast == nullptr || scale == nullptr || !CastsTo(*cast, OnnxType::kFloat)) continue;
    const OnnxNode* product = Made(cast->inputs[0], "MatMulInteger", 4);
    if (product == nullptr) product = Made(cast->inputs[0], "MatMulInteger", 3);
    if (product == nullptr) continue;
    const OnnxNode* quantized = values_.MakerOf(product->inputs[0]);
    if (quantized == nullptr || quantized->op_type != "DynamicQuantizeLinear" ||
        !quantized->domain.empty() || quantized->inputs.size() != 1 ||
        quantized->outputs.size() != 3 || quantized->outputs[0] != product->inputs[0] ||
        quantized->outputs[2] != product->inputs[2])
      continue;
    const bool first = scale->inputs[0] == quantized->outputs[1];
    if (!first && scale->inputs[1] != quantized->outputs[1]) continue;
    Product found;
    found.weight = file_.FindInitializer(product->inputs[1]);
    if (found.weight == nullptr || file_.FindInitializer(scale->inputs[first ? 1 : 0]) == nullptr)
      continue;
    found.input = quantized->inputs[0];
    found.nodes = {scaled, cast, scale, product, quantized};
    return found;
  }
  return std::nullopt;
}

std::optional<OnnxLinear> OnnxParts::Linear(std::string_view value) const {
  if (auto linear = LinearOfGemm(value)) return linear;
  const OnnxNode* sum = Made(value, "Add", 2);
  if (sum == nullptr) return std::nullopt;
  for (const size_t side : {0, 1}) {
    const OnnxTensor* bias = values_.StoredOf(sum->inputs[side]);
    if (!IsFloatOfRank(bias, 1)) continue;
    const auto name = WithoutEnd(sum->inputs[side], kBias);
    std::optional<Product> product = MatrixProduct(sum->inputs[1 - side]);
    if (!product) product = QuantizedProduct(sum->inputs[1 - side]);
    if (!name || !product || product->weight->dims.size() != 2) continue;
    OnnxLinear linear;
    linear.name = *name;
    linear.weight = product->weight;
    linear.bias = bias;
    linear.input = product->input;
    linear.nodes = {sum};
    Append(*product, linear);
    return linear;
  }
  return std::nullopt;
}

// --- GELU ---

std::optional<OnnxPart> OnnxParts::Gelu(std::string_view value) const {
  OnnxPart part;
  if (const OnnxNode* node = Made(value, "Gelu", 1)) {
    const OnnxAttribute* form = node->Find("approximate");
    if (form != nullptr && form->s.value_or("none") != "none") return std::nullopt;
    part.input = node->inputs[0];
    part.nodes = {node};
    return part;
  }
  // A product of three: x, a half and 1 + erf.
  const OnnxNode* outer = Made(value, "Mul", 2);
  if (outer == nullptr) return std::nullopt;
  for (const size_t side : {0, 1}) {
    const OnnxNode* inner = Made(outer->inputs[side], "Mul", 2);
    if (inner == nullptr) continue;
    const std::string_view factors[] = {inner->inputs[0], inner->inputs[1],
                                        outer->inputs[1 - side]};
    for (size_t e = 0; e < 3; ++e) {
      const OnnxNode* sum = Made(factors[e], "Add", 2);
      const auto one_and = sum == nullptr ? std::nullopt : Beside(*sum, 1.0);
      const OnnxNode* erf = one_and ? Made(*one_and, "Erf", 1) : nullptr;
      if (erf == nullptr) continue;
      const OnnxNode* quotient = Made(erf->inputs[0], "Div", 2);
      const OnnxNode* multiple = Made(erf->inputs[0], "Mul", 2);
      std::optional<std::string_view> x;
      if (quotient != nullptr && IsScalar(quotient->inputs[1], std::numbers::sqrt2))
        x = quotient->inputs[0];
      if (multiple != nullptr) x = Beside(*multiple, 1.0 / std::numbers::sqrt2);
      const std::string_view a = factors[(e + 1) % 3], b = factors[(e + 2) % 3];
      if (!x || !((a == *x && IsScalar(b, 0.5)) || (b == *x && IsScalar(a, 0.5)))) continue;
      part.input = *x;
      part.nodes = {outer, inner, sum, erf, quotient != nullptr ? quotient : multiple};
      return part;
    }
  }
  return std::nullopt;
}

// --- Layer norm ---

std::optional<OnnxLayerNorm> OnnxParts::PlainLayerNorm(std::string_view value) const {
  const OnnxNode* node = Made(value, "LayerNormalization", 3);
  if (node == nullptr || !IsInteger(*node, "axis", -1, -1)) return std::nullopt;
  OnnxLayerNorm norm;
  norm.weight_value = node->inputs[1];
  norm.bias_value = node->inputs[2];
  const OnnxAttribute* eps = node->Find("epsilon");
  norm.eps = eps == nullptr ? 1e-5f : eps->f.value_or(-1.0f);
  norm.input = node->inputs[0];
  norm.nodes = {node};
  return norm;
}

// The mean of the last dimension, which is kept.
std::optional<OnnxPart> OnnxParts::MeanOfRow(std::string_view value) const {
  const OnnxNode* node = Made(value, "ReduceMean", 1);
  if (node != nullptr) {
    const OnnxAttribute* axes = node->Find("axes");
    if (axes == nullptr || axes->ints != std::vector<int64_t>{-1}) return std::nullopt;
  } else {
    node = Made(value, "ReduceMean", 2);
    if (node == nullptr || !IsScalar(node->inputs[1], -1)) return std::nullopt;
  }
  if (!IsInteger(*node, "keepdims", 1, 1)) return std::nullopt;
  return OnnxPart{.input = node->inputs[0], .nodes = {node}};
}

std::optional<OnnxLayerNorm> OnnxParts::WrittenOutLayerNorm(std::string_view value) const {
  const OnnxNode* sum = Made(value, "Add", 2);
  if (sum == nullptr) return std::nullopt;
  OnnxLayerNorm norm;
  // Of a node, the initializer and the other input.
  const auto split = [&](const OnnxNode& node, std::string_view& stored) {
    const size_t side = values_.StoredOf(node.inputs[0]) != nullptr ? 0 : 1;
    stored = node.inputs[side];
    return node.inputs[1 - side];
  };
  const OnnxNode* weighted = Made(split(*sum, norm.bias_value), "Mul", 2);
  if (weighted == nullptr) return std::nullopt;
  const OnnxNode* quotient = Made(split(*weighted, norm.weight_value), "Div", 2);
  if (quotient == nullptr) return std::nullopt;
  const OnnxNode* centered = Made(quotient->inputs[0], "Sub", 2);
  const OnnxNode* root = Made(quotient->inputs[1], "Sqrt", 1);
  const OnnxNode* raised = root == nullptr ? nullptr : Made(root->inputs[0], "Add", 2);
  if (centered == nullptr || raised == nullptr) return std::nullopt;
  const size_t eps_side = values_.ConstantOf(raised->inputs[0]) != nullptr ? 0 : 1;
  const std::optional<double> eps = ScalarOf(raised->inputs[eps_side]);
  const auto variance = MeanOfRow(raised->inputs[1 - eps_side]);
  const auto mean = MeanOfRow(centered->inputs[1]);
  if (!eps || !variance || !mean || mean->input != centered->inputs[0]) return std::nullopt;
  const OnnxNode* square = Made(variance->input, "Pow", 2);
  if (square == nullptr || !IsScalar(square->inputs[1], 2.0)) return std::nullopt;
  norm.nodes = {sum, weighted, quotient, centered, root, raised, square};
  if (square->inputs[0] != quotient->inputs[0]) {  // The difference is there twice.
    const OnnxNode* again = Made(square->inputs[0], "Sub", 2);
    if (again == nullptr || again->inputs != centered->inputs) return std::nullopt;
    norm.nodes.push_back(again);
  }
  Append(*variance, norm);
  Append(*mean, norm);
  norm.eps = static_cast<float>(*eps);
  norm.input = centered->inputs[0];
  return norm;
}

std::optional<OnnxLayerNorm> OnnxParts::LayerNorm(std::string_view value) const {
  std::optional<OnnxLayerNorm> norm = PlainLayerNorm(value);
  if (!norm) norm = WrittenOutLayerNorm(value);
  if (!norm) return std::nullopt;
  norm->weight = values_.StoredOf(norm->weight_value);
  norm->bias = values_.StoredOf(norm->bias_value);
  if (!IsFloatOfRank(norm->weight, 1) || !IsFloatOfRank(norm->bias, 1)) return std::nullopt;
  const auto name = WithoutEnd(norm->weight_value, kWeight);
  if (!name || WithoutEnd(norm->bias_value, kBias) != name) return std::nullopt;
  norm->name = *name;
  return norm;
}

// --- Positions ---

std::string_view OnnxParts::WithoutCasts(std::string_view value, OnnxPart& part) const {
  // Casts are a chain, so that this ends.
  while (const OnnxNode* cast = Made(value, "Cast", 1)) {
    if (!CastsTo(*cast, OnnxType::kInt64) && !CastsTo(*cast, OnnxType::kInt32)) break;
    part.nodes.push_back(cast);
    value = cast->inputs[0];
  }
  return value;
}

bool OnnxParts::IsRealToken(std::string_view value, int pad_token_id, OnnxPart& part) const {
  const OnnxNode* negation = Made(WithoutCasts(value, part), "Not", 1);
  const OnnxNode* equal = negation == nullptr ? nullptr : Made(negation->inputs[0], "Equal", 2);
  const auto ids = equal == nullptr ? std::nullopt : Beside(*equal, pad_token_id);
  if (!ids || WithoutCasts(*ids, part) != "input_ids") return false;
  part.nodes.insert(part.nodes.end(), {negation, equal});
  return true;
}

std::optional<OnnxPart> OnnxParts::CountedPositions(std::string_view value,
                                                    int pad_token_id) const {
  OnnxPart part{.input = "input_ids", .nodes = {}};
  const OnnxNode* shifted = Made(WithoutCasts(value, part), "Add", 2);
  const auto number = shifted == nullptr ? std::nullopt : Beside(*shifted, pad_token_id);
  const OnnxNode* masked = number ? Made(WithoutCasts(*number, part), "Mul", 2) : nullptr;
  if (masked == nullptr) return std::nullopt;
  for (const size_t side : {0, 1}) {
    OnnxPart whole = part;
    std::string_view counted = WithoutCasts(masked->inputs[side], whole);
    // The keys of earlier calls, of which there are none.
    if (const OnnxNode* past = Made(counted, "Add", 2)) {
      const auto before = Beside(*past, 0.0);
      if (!before) continue;
      whole.nodes.push_back(past);
      counted = WithoutCasts(*before, whole);
    }
    const OnnxNode* sum = Made(counted, "CumSum", 2);
    if (sum == nullptr || !IsScalar(sum->inputs[1], 1.0) || !IsInteger(*sum, "exclusive", 0, 0) ||
        !IsInteger(*sum, "reverse", 0, 0))
      continue;
    if (!IsRealToken(sum->inputs[0], pad_token_id, whole) ||
        !IsRealToken(masked->inputs[1 - side], pad_token_id, whole))
      continue;
    whole.nodes.insert(whole.nodes.end(), {shifted, masked, sum});
    return whole;
  }
  return std::nullopt;
}

std::optional<OnnxPart> OnnxParts::FirstToken(std::string_view value) const {
  const OnnxNode* node = Made(value, "Gather", 2);
  if (node == nullptr || !IsInteger(*node, "axis", 1, 0)) return std::nullopt;
  const OnnxTensor* index = values_.ConstantOf(node->inputs[1]);
  if (index == nullptr || !index->dims.empty() || index->type != OnnxType::kInt64 ||
      !IsScalar(node->inputs[1], 0.0))
    return std::nullopt;
  return OnnxPart{.input = node->inputs[0], .nodes = {node}};
}

}  // namespace akin::model

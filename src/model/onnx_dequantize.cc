#include "model/onnx_dequantize.h"

#include <set>

#include "base/strings.h"

namespace akin::model {
namespace {

using formats::OnnxAttribute;
using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

bool IsOneOf(OnnxType type, std::initializer_list<OnnxType> types) {
  for (const OnnxType known : types) {
    if (type == known) return true;
  }
  return false;
}

int64_t Integer(const OnnxNode& node, std::string_view name, int64_t absent) {
  const OnnxAttribute* attribute = node.Find(name);
  // Of another type than an integer it is nothing that is known.
  return attribute == nullptr ? absent : attribute->i.value_or(-1000);
}

class Reader {
 public:
  Reader(const OnnxFile& file, const ValueMap& values) : file_(file), values_(values) {}

  std::optional<Dequantized> Read(std::string_view value) const {
    const OnnxNode* turned = Made(value, "Transpose", 1);
    if (turned == nullptr) return ReadInOrder(value);
    const OnnxAttribute* perm = turned->Find("perm");
    if (perm != nullptr && perm->ints != std::vector<int64_t>{1, 0}) return std::nullopt;
    std::optional<Dequantized> found = ReadInOrder(turned->inputs[0]);
    if (!found || found->looked_up || found->matrix->dims.size() != 2) return std::nullopt;
    found->turned = true;
    found->nodes.push_back(turned);
    return found;
  }

 private:
  std::optional<Dequantized> ReadInOrder(std::string_view value) const {
    if (auto linear = ReadLinear(value)) return linear;
    return ReadProduct(value);
  }

  const OnnxNode* Made(std::string_view value, std::string_view op_type, size_t num_inputs) const {
    const OnnxNode* node = values_.MakerOf(value);
    return node != nullptr && node->Is(op_type, num_inputs) ? node : nullptr;
  }

  // An initializer of integers, or rows of it.
  bool ReadIntegers(std::string_view value, Dequantized& found) const {
    found.matrix = file_.FindInitializer(value);
    if (found.matrix == nullptr) {
      const OnnxNode* lookup = Made(value, "Gather", 2);
      if (lookup == nullptr || Integer(*lookup, "axis", 0) != 0) return false;
      found.matrix = file_.FindInitializer(lookup->inputs[0]);
      found.looked_up = true;
      found.rank = RankOf(lookup->inputs[1]);
      if (found.rank) ++*found.rank;
    } else {
      found.rank = found.matrix->dims.size();
    }
    return found.matrix != nullptr &&
           IsOneOf(found.matrix->type, {OnnxType::kInt8, OnnxType::kUint8, OnnxType::kInt4,
                                        OnnxType::kUint4, OnnxType::kInt16, OnnxType::kUint16});
  }

  // Of ids, as long as nothing is done to them but to take a part of them. Of a graph that is made
  // to have many inputs, none is looked for.
  std::optional<size_t> RankOf(std::string_view ids) const {
    constexpr int kMostSteps = 4;
    constexpr size_t kMostInputs = 64;
    if (file_.graph().inputs.size() > kMostInputs) return std::nullopt;
    for (int i = 0; i < kMostSteps; ++i) {
      if (const OnnxTensor* constant = values_.ConstantOf(ids)) return constant->dims.size();
      for (const formats::OnnxValueInfo& input : file_.graph().inputs) {
        if (input.name != ids) continue;
        return input.dims ? std::optional(input.dims->size()) : std::nullopt;
      }
      const OnnxNode* maker = values_.MakerOf(ids);
      if (maker == nullptr || !formats::IsOnnxDomain(maker->domain) ||
          (maker->op_type != "Slice" && maker->op_type != "Cast" && maker->op_type != "Identity"))
        return std::nullopt;
      ids = maker->inputs[0];
    }
    return std::nullopt;
  }

  std::optional<Dequantized> ReadLinear(std::string_view value) const {
    const OnnxNode* node = Made(value, "DequantizeLinear", 2);
    if (node == nullptr) node = Made(value, "DequantizeLinear", 3);
    Dequantized found;
    if (node == nullptr || !ReadIntegers(node->inputs[0], found)) return std::nullopt;
    found.nodes = {node};
    Quantization& quantization = found.quantization;
    quantization.scale = values_.ConstantOf(node->inputs[1]);
    if (quantization.scale == nullptr) return std::nullopt;
    quantization.scales = AxisSpread(*node, *quantization.scale, found);
    if (node->inputs.size() < 3 || node->inputs[2].empty()) return found;
    quantization.zero_point = values_.ConstantOf(node->inputs[2]);
    if (quantization.zero_point == nullptr) return std::nullopt;
    const bool fits = quantization.zero_point->type == found.matrix->type;
    quantization.zero_points =
        fits ? AxisSpread(*node, *quantization.zero_point, found) : Spread::kUnknown;
    return found;
  }

  // DequantizeLinear's numbers are one, or those of one dimension.
  static Spread AxisSpread(const OnnxNode& node, const OnnxTensor& numbers,
                           const Dequantized& found) {
    // Blocks of a dimension, and results that are no f32.
    if (Integer(node, "block_size", 0) != 0 || Integer(node, "output_dtype", 0) != 0)
      return Spread::kUnknown;
    if (numbers.dims.size() > 1) return Spread::kUnknown;
    if (numbers.num_elements() == 1) return Spread::kAll;
    const std::vector<int64_t>& dims = found.matrix->dims;
    int64_t axis = Integer(node, "axis", 1);
    if (dims.size() != 2) return Spread::kUnknown;
    if (found.looked_up) {
      // Of the rows, the columns are all that the numbers can be of.
      const bool is_last =
          axis == -1 || (found.rank && axis == static_cast<int64_t>(*found.rank) - 1);
      if (!is_last) return Spread::kUnknown;
      axis = 1;
    }
    if (axis < 0) axis += 2;
    if ((axis != 0 && axis != 1) || numbers.dims != std::vector{dims[static_cast<size_t>(axis)]})
      return Spread::kUnknown;
    return axis == 0 ? Spread::kRows : Spread::kColumns;
  }

  std::optional<Dequantized> ReadProduct(std::string_view value) const {
    const OnnxNode* product = Made(value, "Mul", 2);
    if (product == nullptr) return std::nullopt;
    for (const size_t side : {0, 1}) {
      Dequantized found;
      found.nodes = {product};
      found.quantization.scale = values_.ConstantOf(product->inputs[1 - side]);
      if (found.quantization.scale == nullptr || !ReadNumbers(product->inputs[side], found))
        continue;
      found.quantization.scales = SpreadOver(*found.quantization.scale, found);
      if (found.quantization.zero_point != nullptr)
        found.quantization.zero_points = SpreadOver(*found.quantization.zero_point, found);
      return found;
    }
    return std::nullopt;
  }

  static Spread SpreadOver(const OnnxTensor& numbers, const Dequantized& found) {
    const Spread spread = BroadcastSpread(numbers.dims, *found.matrix);
    // The rows that are looked up are not those that the numbers are of.
    return spread == Spread::kRows && found.looked_up ? Spread::kUnknown : spread;
  }

  // Cast(q) [- zero point].
  bool ReadNumbers(std::string_view value, Dequantized& found) const {
    if (const OnnxNode* difference = Made(value, "Sub", 2)) {
      found.nodes.push_back(difference);
      found.quantization.zero_point = ZeroPoint(difference->inputs[1], found);
      if (found.quantization.zero_point == nullptr) return false;
      value = difference->inputs[0];
    }
    const OnnxNode* cast = FloatCast(value);
    if (cast == nullptr) return false;
    found.nodes.push_back(cast);
    return ReadIntegers(cast->inputs[0], found);
  }

  const OnnxNode* FloatCast(std::string_view value) const {
    const OnnxNode* cast = Made(value, "Cast", 1);
    const bool is =
        cast != nullptr && Integer(*cast, "to", 0) == static_cast<int64_t>(OnnxType::kFloat);
    return is ? cast : nullptr;
  }

  // A constant in f32, or integers that are cast to it.
  const OnnxTensor* ZeroPoint(std::string_view value, Dequantized& found) const {
    const OnnxTensor* constant = values_.ConstantOf(value);
    if (constant != nullptr) return constant->type == OnnxType::kFloat ? constant : nullptr;
    const OnnxNode* cast = FloatCast(value);
    if (cast == nullptr) return nullptr;
    found.nodes.push_back(cast);
    constant = values_.ConstantOf(cast->inputs[0]);
    const bool fits =
        constant != nullptr &&
        IsOneOf(constant->type, {OnnxType::kInt8, OnnxType::kUint8, OnnxType::kInt32});
    return fits ? constant : nullptr;
  }

  const OnnxFile& file_;
  const ValueMap& values_;
};

// A weight is made in fewer steps; of a graph that is made to have many, nothing is looked for.
constexpr size_t kMostAncestors = 100;

// Everything that `value` is made of.
class Ancestors {
 public:
  Ancestors(const OnnxFile& file, const ValueMap& values, std::string_view value) {
    std::set<std::string_view> seen;
    std::vector<std::string_view> open = {value};
    while (!open.empty()) {
      const std::string_view next = open.back();
      open.pop_back();
      if (next.empty() || !seen.insert(next).second) continue;
      const OnnxTensor* stored = file.FindInitializer(next);
      const OnnxNode* maker = values.MakerOf(next);
      if (stored != nullptr) {
        has_matrix_ |= stored->dims.size() == 2 && stored->type != OnnxType::kInt64;
      } else if (maker == nullptr || open.size() + maker->inputs.size() > kMostAncestors ||
                 seen.size() > kMostAncestors) {
        of_inputs_ = true;
        return;
      } else {
        open.insert(open.end(), maker->inputs.begin(), maker->inputs.end());
      }
    }
  }

  bool is_weight() const { return has_matrix_ && !of_inputs_; }

 private:
  bool has_matrix_ = false;
  bool of_inputs_ = false;  // Or that is not known.
};

// The node below `node`, or itself, that is no part of (Cast(q) - zero point) * scale; nullptr:
// each is one.
const OnnxNode* FindStrange(const ValueMap& values, const OnnxNode& node) {
  const bool is_cast = node.Is("Cast", 1), is_difference = node.Is("Sub", 2);
  if (!is_cast && !is_difference && !node.Is("Mul", 2)) return &node;
  for (const std::string_view input : node.inputs) {
    const OnnxNode* maker = values.ConstantOf(input) != nullptr ? nullptr : values.MakerOf(input);
    if (maker == nullptr) continue;
    // Below a cast there are the integers, and below a difference no other.
    if (is_cast || (is_difference && maker->Is("Sub", 2)) || maker->Is("Mul", 2)) return maker;
    if (const OnnxNode* strange = FindStrange(values, *maker)) return strange;
  }
  return nullptr;
}

}  // namespace

std::optional<Dequantized> FindDequantized(const OnnxFile& file, const ValueMap& values,
                                           std::string_view value) {
  return Reader(file, values).Read(value);
}

Spread BroadcastSpread(std::span<const int64_t> dims, const OnnxTensor& matrix) {
  if (matrix.dims.size() != 2) return dims.empty() ? Spread::kAll : Spread::kUnknown;
  const int64_t rows = matrix.dims[0], columns = matrix.dims[1];
  if (dims.size() > 2) return Spread::kUnknown;
  const int64_t last = dims.empty() ? 1 : dims.back();
  const int64_t first = dims.size() < 2 ? 1 : dims.front();
  if (first == 1 && last == 1) return Spread::kAll;
  if (first == 1 && last == columns) return Spread::kColumns;
  if (first == rows && last == 1) return Spread::kRows;
  return Spread::kUnknown;
}

std::string DescribeNode(const OnnxNode& node) {
  const std::string_view name = node.name.empty() ? node.outputs[0] : node.name;
  return StrCat("operator '", node.domain, node.domain.empty() ? "" : ".", node.op_type,
                "' (node '", name, "')");
}

std::string DescribeUnknownWeight(const OnnxFile& file, const ValueMap& values,
                                  std::string_view value) {
  const OnnxNode* node = values.MakerOf(value);
  if (node == nullptr || !Ancestors(file, values, value).is_weight()) return {};
  const OnnxNode* strange = FindStrange(values, *node);
  return DescribeNode(strange == nullptr ? *node : *strange);
}

}  // namespace akin::model

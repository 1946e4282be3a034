#include "model/onnx_named_weights.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "base/strings.h"

namespace akin::model {
namespace {

using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

constexpr std::string_view kBias = ".bias", kWeight = ".weight", kQuantized = "_quantized";
// Whose bias is a parameter of the head, and whose weight one of the decoder in it.
constexpr std::string_view kDecodingHeads[] = {"cls.predictions", "lm_head"};

bool IsFloat(OnnxType type) {
  return type == OnnxType::kFloat || type == OnnxType::kFloat16 || type == OnnxType::kBfloat16;
}

bool IsMatrix(const OnnxTensor* tensor) { return tensor != nullptr && tensor->dims.size() == 2; }

std::string_view WithoutEnd(std::string_view text, std::string_view end) {
  return text.ends_with(end) ? text.substr(0, text.size() - end.size()) : text;
}

// "x.weight" of "x.weight_q", "x.weight_int8" and the like.
std::string_view WithoutQuantized(std::string_view name) {
  const size_t end = name.rfind(".weight_");
  return end == name.npos ? WithoutEnd(name, kQuantized) : name.substr(0, end + kWeight.size());
}

// Element i of a tensor of integers of a byte.
float IntegerAt(OnnxType type, std::span<const std::byte> bytes, size_t i) {
  const auto byte = std::to_integer<uint8_t>(bytes[i]);
  return type == OnnxType::kInt8 ? static_cast<int8_t>(byte) : byte;
}

// Of a scale or zero point.
float NumberAt(OnnxType type, std::span<const std::byte> bytes, size_t i) {
  if (type == OnnxType::kFloat) return FloatAt(bytes, i);
  if (type != OnnxType::kInt32) return IntegerAt(type, bytes, i);
  int32_t value;
  std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
  return static_cast<float>(value);
}

std::string ShapeOf(const OnnxTensor& tensor) {
  std::string shape;
  for (const int64_t dim : tensor.dims) shape += StrCat(shape.empty() ? "" : ", ", dim);
  return StrCat(formats::OnnxTypeName(tensor.type), " [", shape, "]");
}

bool IsByteInteger(const OnnxTensor& tensor) {
  return tensor.type == OnnxType::kInt8 || tensor.type == OnnxType::kUint8;
}

template <typename... Pieces>
Error Unsupported(const OnnxFile& file, const NamedWeight& weight, const Pieces&... pieces) {
  return UnsupportedModel(file.name(), ": weight '", weight.name, "' ", pieces...,
                          ", which backend native does not read; backend onnxruntime runs it");
}

}  // namespace

WeightFinder::WeightFinder(const OnnxFile& file) : file_(file), values_(file) {
  for (const OnnxNode& node : file.graph().nodes) VisitNode(node);
  for (const OnnxTensor& tensor : file.graph().initializers) {
    if (!used_.contains(&tensor) && IsFloat(tensor.type) && !tensor.dims.empty())
      weights_.push_back({.name = std::string(tensor.name), .tensor = &tensor});
  }
  for (const OnnxNode& node : file.graph().nodes) AddCopy(node);
  StripCommonPrefix();
}

void WeightFinder::VisitNode(const OnnxNode& node) {
  if (!formats::IsOnnxDomain(node.domain)) return;
  if (node.op_type == "MatMul" && node.inputs.size() == 2) {
    const OnnxTensor* matrix = values_.StoredOf(node.inputs[1]);
    if (IsMatrix(matrix) && IsFloat(matrix->type)) Add(matrix, true, node.outputs[0], std::nullopt);
    if (matrix == nullptr) VisitReader(node, values_.SourceOf(node.inputs[1]));
  } else if (node.op_type == "Gather") {
    if (values_.StoredOf(node.inputs[0]) == nullptr)
      VisitReader(node, values_.SourceOf(node.inputs[0]));
  } else if (node.op_type == "MatMulInteger") {
    VisitMatMulInteger(node);
  } else if (node.op_type == "DequantizeLinear" || node.op_type == "Mul" ||
             node.op_type == "Transpose") {
    VisitDequantized(node);
  }
}

void WeightFinder::AddCopy(const OnnxNode& node) {
  if (node.op_type != "Identity") return;
  const std::string_view name = node.outputs[0];
  if (!name.ends_with(kWeight) && !name.ends_with(kBias)) return;
  const OnnxTensor* stored = values_.StoredOf(name);
  if (stored == nullptr || stored->name == name || used_.contains(stored) ||
      !IsFloat(stored->type) || stored->dims.empty())
    return;
  weights_.push_back({.name = std::string(name), .tensor = stored});
}

void WeightFinder::VisitReader(const OnnxNode& node, std::string_view input) {
  const auto found = FindDequantized(file_, values_, input);
  if (found && !(found->turned && node.op_type == "Gather")) return;
  std::string maker = DescribeUnknownWeight(file_, values_, input);
  if (!maker.empty()) unknown_.push_back({.reader = &node, .maker = std::move(maker)});
}

void WeightFinder::VisitMatMulInteger(const OnnxNode& node) {
  const OnnxTensor* matrix =
      node.inputs.size() < 2 ? nullptr : file_.FindInitializer(node.inputs[1]);
  if (!IsMatrix(matrix) || node.outputs.empty()) return;
  Quantization quantization;
  const bool has_zero_point = node.inputs.size() > 3 && !node.inputs[3].empty();
  if (has_zero_point) quantization.zero_point = file_.FindInitializer(node.inputs[3]);
  const OnnxNode* cast = values_.OnlyReaderOf(node.outputs[0]);
  const OnnxNode* scaled =
      cast == nullptr || cast->op_type != "Cast" ? nullptr : values_.OnlyReaderOf(cast->outputs[0]);
  if (scaled != nullptr && scaled->op_type == "Mul")
    quantization.scale = ScaleOf(*scaled, cast->outputs[0]);
  if (quantization.scale == nullptr || (has_zero_point && quantization.zero_point == nullptr)) {
    nameless_.emplace_back(matrix->name);
    return;
  }
  // They meet the products, a column of them for each column of the matrix.
  const auto spread = [&](const OnnxTensor& numbers) {
    const Spread found = BroadcastSpread(numbers.dims, *matrix);
    return found == Spread::kRows ? Spread::kUnknown : found;
  };
  quantization.scales = spread(*quantization.scale);
  if (has_zero_point) {
    const bool fits = quantization.zero_point->type == matrix->type;
    quantization.zero_points = fits ? spread(*quantization.zero_point) : Spread::kUnknown;
  }
  used_.insert(quantization.scale);
  used_.insert(quantization.zero_point);
  Add(matrix, true, scaled->outputs[0], quantization);
}

const OnnxTensor* WeightFinder::ScaleOf(const OnnxNode& scaled, std::string_view value) const {
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

void WeightFinder::VisitDequantized(const OnnxNode& node) {
  const std::string_view value = node.outputs[0];
  const std::optional<Dequantized> found = FindDequantized(file_, values_, value);
  if (!found) return;
  const auto& [matrix, quantization, looked_up, turned, rank, nodes] = *found;
  used_.insert({matrix, quantization.scale, quantization.zero_point});
  const std::span<const OnnxNode* const> readers = values_.ReadersOf(value);
  bool is_table = readers.empty();
  for (const OnnxNode* reader : readers) {
    if (!looked_up && reader->op_type == "MatMul" && reader->inputs.size() == 2 &&
        reader->inputs[1] == value) {
      Add(matrix, !turned, reader->outputs[0], quantization);
    } else if (reader->op_type != "Transpose") {  // A turned one is visited itself.
      is_table = true;
    }
  }
  if (!is_table || turned) return;
  const bool is_named = !looked_up && value.ends_with(kWeight);
  weights_.push_back({.name = std::string(is_named ? value : WithoutQuantized(matrix->name)),
                      .tensor = matrix,
                      .quantization = quantization});
}

void WeightFinder::Add(const OnnxTensor* matrix, bool transposed, std::string_view product,
                       std::optional<Quantization> quantization) {
  used_.insert(matrix);
  // Of two products it would be the weight of two layers.
  const bool is_first = multiplied_.insert(matrix).second;
  const OnnxNode* sum = values_.OnlyReaderOf(product);
  if (is_first && sum != nullptr && sum->op_type == "Add") {
    for (const std::string_view input : sum->inputs) {
      if (values_.StoredOf(input) == nullptr || !input.ends_with(kBias)) continue;
      std::string stem(WithoutEnd(input, kBias));
      if (std::ranges::any_of(kDecodingHeads, [&](auto head) { return stem.ends_with(head); }))
        stem += ".decoder";
      weights_.push_back({.name = stem + std::string(kWeight),
                          .tensor = matrix,
                          .transposed = transposed,
                          .product = true,
                          .quantization = quantization});
      return;
    }
  }
  nameless_.emplace_back(matrix->name);
}

void WeightFinder::StripCommonPrefix() {
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

Status CheckForm(const OnnxFile& file, const NamedWeight& weight) {
  const OnnxTensor& tensor = *weight.tensor;
  if (weight.is_plain()) return {};
  if (!weight.quantization) {
    if (tensor.type == OnnxType::kFloat) return {};
    return Unsupported(file, weight, "is a transposed matrix of ",
                       formats::OnnxTypeName(tensor.type));
  }
  const Quantization& quantization = *weight.quantization;
  const OnnxTensor& scale = *quantization.scale;
  if (!IsByteInteger(tensor) || scale.type != OnnxType::kFloat)
    return Unsupported(file, weight, "is quantized to ", formats::OnnxTypeName(tensor.type),
                       " with scales of ", formats::OnnxTypeName(scale.type));
  if (quantization.scales == Spread::kUnknown)
    return Unsupported(file, weight, "is ", ShapeOf(tensor), " with scales '", scale.name, "' ",
                       ShapeOf(scale));
  if (quantization.zero_points == Spread::kUnknown)
    return Unsupported(file, weight, "is ", ShapeOf(tensor), " with zero points '",
                       quantization.zero_point->name, "' ", ShapeOf(*quantization.zero_point));
  return {};
}

Result<std::shared_ptr<const TensorMaker>> WeightMaker::Create(const OnnxFile& file,
                                                               const NamedWeight& weight) {
  AKIN_TRY(CheckForm(file, weight));
  return std::shared_ptr<const TensorMaker>(new WeightMaker(file, weight));
}

WeightMaker::WeightMaker(const OnnxFile& file, const NamedWeight& weight)
    : type_(weight.tensor->type),
      transposed_(weight.transposed),
      stored_(file.ValuesOf(*weight.tensor)),
      source_(file.FileOf(*weight.tensor)) {
  const auto count = static_cast<size_t>(weight.tensor->num_elements());
  columns_ = weight.tensor->dims.empty() ? 1 : static_cast<size_t>(weight.tensor->dims.back());
  rows_ = columns_ == 0 ? 0 : count / columns_;
  if (!weight.quantization) return;
  const Quantization& quantization = *weight.quantization;
  scales_ = StepsOf(file, *quantization.scale, quantization.scales);
  if (quantization.zero_point != nullptr)
    zero_points_ = StepsOf(file, *quantization.zero_point, quantization.zero_points);
}

WeightMaker::Steps WeightMaker::StepsOf(const OnnxFile& file, const OnnxTensor& tensor,
                                        Spread spread) {
  Steps steps{.values = {},
              .of_row = spread == Spread::kRows ? 1u : 0u,
              .of_column = spread == Spread::kColumns ? 1u : 0u};
  const std::span<const std::byte> bytes = file.ValuesOf(tensor);
  for (size_t i = 0; i < tensor.num_elements(); ++i)
    steps.values.push_back(NumberAt(tensor.type, bytes, i));
  return steps;
}

void WeightMaker::Make(int64_t first, std::span<float> out) const {
  if (out.empty()) return;
  transposed_ ? MakeTransposed(static_cast<size_t>(first), out)
              : MakeInOrder(static_cast<size_t>(first), out);
}

// Of a table, whose rows are looked up as long as the model is there: by the system, as those of
// model/tensor_file.h.
void WeightMaker::MakeInOrder(size_t first, std::span<float> out) const {
  std::byte chunk[2048];
  for (size_t done = 0, count; done < out.size(); done += count) {
    count = std::min(std::size(chunk), out.size() - done);
    std::span<const std::byte> stored = stored_.subspan(first + done, count);
    if (source_ != nullptr) {
      source_->Read(stored.data(), {chunk, count});
      stored = {chunk, count};
      if (source_->is_damaged()) {
        std::ranges::fill(out.subspan(done), std::numeric_limits<float>::quiet_NaN());
        return;
      }
    }
    size_t row = (first + done) / columns_, column = (first + done) % columns_;
    for (size_t i = 0; i < count; ++i) {
      out[done + i] = ValueAt(stored, i, row, column);
      if (++column < columns_) continue;
      column = 0;
      ++row;
    }
  }
}

void WeightMaker::MakeTransposed(size_t first, std::span<float> out) const {
  const size_t end = first + out.size();
  // Square blocks, so that neither side runs over all of memory for a column.
  constexpr size_t kBlock = 32;
  for (size_t block = first / rows_; block * rows_ < end; block += kBlock) {
    for (size_t row = 0; row < rows_; row += kBlock) {
      for (size_t column = block; column < std::min(columns_, block + kBlock); ++column) {
        const size_t from = std::max(first, column * rows_ + row);
        const size_t to = std::min(end, column * rows_ + std::min(rows_, row + kBlock));
        for (size_t i = from; i < to; ++i)
          out[i - first] = ValueAt(stored_, (i - column * rows_) * columns_ + column,
                                   i - column * rows_, column);
      }
    }
  }
}

float WeightMaker::ValueAt(std::span<const std::byte> stored, size_t i, size_t row,
                           size_t column) const {
  if (!scales_) return FloatAt(stored, i);
  const float zero_point = zero_points_ ? zero_points_->At(row, column) : 0.0f;
  return (IntegerAt(type_, stored, i) - zero_point) * scales_->At(row, column);
}

float FloatAt(std::span<const std::byte> bytes, size_t i) {
  float value;
  std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
  return value;
}

}  // namespace akin::model

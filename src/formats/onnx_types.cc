#include "formats/onnx_types.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "base/strings.h"

namespace akin::formats {
namespace {

struct TypeRow {
  OnnxType type;
  std::string_view name;
  uint64_t bits;  // 0: strings.
};
constexpr TypeRow kTypes[] = {
    {OnnxType::kFloat, "float", 32},      {OnnxType::kUint8, "uint8", 8},
    {OnnxType::kInt8, "int8", 8},         {OnnxType::kUint16, "uint16", 16},
    {OnnxType::kInt16, "int16", 16},      {OnnxType::kInt32, "int32", 32},
    {OnnxType::kInt64, "int64", 64},      {OnnxType::kString, "string", 0},
    {OnnxType::kBool, "bool", 8},         {OnnxType::kFloat16, "float16", 16},
    {OnnxType::kDouble, "double", 64},    {OnnxType::kUint32, "uint32", 32},
    {OnnxType::kUint64, "uint64", 64},    {OnnxType::kBfloat16, "bfloat16", 16},
    {OnnxType::kUint4, "uint4", 4},       {OnnxType::kInt4, "int4", 4},
    {OnnxType{14}, "complex64", 64},      {OnnxType{15}, "complex128", 128},
    {OnnxType{17}, "float8e4m3fn", 8},    {OnnxType{18}, "float8e4m3fnuz", 8},
    {OnnxType{19}, "float8e5m2", 8},      {OnnxType{20}, "float8e5m2fnuz", 8},
    {OnnxType{23}, "float4e2m1", 4},      {OnnxType{24}, "float8e8m0", 8},
    {OnnxType::kUndefined, "no type", 0},
};

const TypeRow* FindType(OnnxType type) {
  const auto* row = std::ranges::find(kTypes, type, &TypeRow::type);
  return row == std::end(kTypes) ? nullptr : row;
}

}  // namespace

uint32_t OnnxTypedField(OnnxType type) {
  switch (static_cast<int32_t>(type)) {
    case 1:   // float
    case 14:  // complex64
      return 4;
    case 11:  // double
    case 15:  // complex128
      return 10;
    case 7: return 7;  // int64
    case 12:           // uint32
    case 13:           // uint64
      return 11;
    default: return 5;
  }
}

std::optional<uint64_t> OnnxNumBytes(std::span<const int64_t> dims, uint64_t bits) {
  uint64_t elements = 1, total_bits = 0;
  for (const int64_t dim : dims) {
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dim), &elements))
      return std::nullopt;
  }
  if (__builtin_mul_overflow(elements, bits, &total_bits)) return std::nullopt;
  return total_bits / 8 + (total_bits % 8 != 0 ? 1 : 0);
}

std::string OnnxTypeName(OnnxType type) {
  const TypeRow* row = FindType(type);
  return row != nullptr ? std::string(row->name) : StrCat("type ", static_cast<int32_t>(type));
}

std::optional<uint64_t> OnnxTypeBits(OnnxType type) {
  const TypeRow* row = FindType(type);
  return row != nullptr && row->bits > 0 ? std::optional(row->bits) : std::nullopt;
}

uint64_t OnnxTensor::num_elements() const {
  uint64_t elements = 1;
  for (const int64_t dim : dims) elements *= static_cast<uint64_t>(dim);
  return elements;
}

uint64_t OnnxTensor::num_bytes() const {
  return OnnxNumBytes(dims, OnnxTypeBits(type).value_or(0)).value_or(0);
}

}  // namespace akin::formats

#include "cli/typed_values.h"

#include <bit>

#include "akin/json_floats.h"

#include "cli/json_writer.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

template <typename T>
std::span<const char> BytesOf(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

template <typename T>
void AppendIntegers(std::span<const T> values, std::string& json) {
  json += '[';
  for (size_t i = 0; i < values.size(); ++i) json += StrCat(i > 0 ? "," : "", int{values[i]});
  json += ']';
}

}  // namespace

Result<TypedValues> TypedValues::Make(std::span<const float> values, OutputType type,
                                      const QuantizationRanges& ranges) {
  TypedValues out;
  out.type_ = type;
  switch (type) {
    case OutputType::kFloat32: out.f32_ = values; break;
    case OutputType::kFloat16:
      out.f16_.resize(values.size());
      ToFloat16(values, out.f16_);
      break;
    case OutputType::kInt8:
      out.i8_.resize(values.size());
      AKIN_TRY(ToInt8(values, ranges, out.i8_));
      break;
    case OutputType::kUint8:
      out.u8_.resize(values.size());
      AKIN_TRY(ToUint8(values, ranges, out.u8_));
      break;
    case OutputType::kBinary:
      out.i8_.resize(NumTypedValues(values.size(), type));
      AKIN_TRY(ToBinary(values, out.i8_));
      break;
    case OutputType::kUbinary:
      out.u8_.resize(NumTypedValues(values.size(), type));
      AKIN_TRY(ToUbinary(values, out.u8_));
      break;
  }
  return out;
}

void TypedValues::AppendJson(std::string& json) const {
  switch (type_) {
    case OutputType::kFloat32: return AppendJsonFloats(json, f32_);
    case OutputType::kFloat16: {
      std::vector<float> rounded;
      for (const uint16_t half : f16_) rounded.push_back(FromFloat16(half));
      return AppendJsonFloats(json, rounded);
    }
    case OutputType::kInt8:
    case OutputType::kBinary: return AppendIntegers<int8_t>(i8_, json);
    case OutputType::kUint8:
    case OutputType::kUbinary: return AppendIntegers<uint8_t>(u8_, json);
  }
}

std::span<const char> TypedValues::bytes() const {
  switch (type_) {
    case OutputType::kFloat32: return BytesOf<float>(f32_);
    case OutputType::kFloat16: return BytesOf<uint16_t>(f16_);
    case OutputType::kInt8:
    case OutputType::kBinary: return BytesOf<int8_t>(i8_);
    case OutputType::kUint8:
    case OutputType::kUbinary: return BytesOf<uint8_t>(u8_);
  }
  return {};
}

size_t NumTypedValues(size_t dimension, OutputType type) {
  const bool packed = type == OutputType::kBinary || type == OutputType::kUbinary;
  return packed ? dimension / 8 : dimension;
}

}  // namespace akin::cli

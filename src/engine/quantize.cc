#include "akin/quantize.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/door.h"
#include "base/strings.h"
#include "formats/json.h"

namespace akin {
namespace {

constexpr size_t kMaxRangesBytes = size_t{16} << 20;

Status CheckDimension(std::span<const float> vector, const QuantizationRanges& ranges) {
  if (vector.size() == ranges.dimension()) return {};
  return InvalidInput("the ranges are of ", ranges.dimension(), " values, the vector has ",
                      vector.size());
}

// In f32, as sentence-transformers' arrays are: the largest value of a range may come to 254. A
// range of one value has a step of 1.
uint8_t Step(float x, float min, float max) {
  const float step = max == min ? 1.0f : (max - min) / 255.0f;
  const float steps = std::floor((x - min) / step);
  if (steps >= 255.0f) return 255;
  return steps > 0.0f ? static_cast<uint8_t>(steps) : uint8_t{0};  // Also of what is not a number.
}

// Rounds to nearest even.
uint16_t Half(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return sign | 0x7E00u;   // NaN
  if (magnitude >= 0x477FF000u) return sign | 0x7C00u;  // Rounds to 2^16 or more: infinity.
  if (magnitude < 0x38800000u) {
    // Below 2^-14: multiples of 2^-24. Adding 0.5 leaves them in the last bits, rounded.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3F000000u);
  }
  const uint32_t rounded = magnitude + 0xFFFu + (magnitude >> 13 & 1u);
  return sign | static_cast<uint16_t>((rounded - (112u << 23)) >> 13);
}

Result<std::vector<float>> ReadFloats(formats::JsonValue root, std::string_view key) {
  AKIN_TRY_ASSIGN(const formats::JsonValue value, root.Get(key));
  AKIN_TRY_ASSIGN(const auto elements, value.AsArray());
  std::vector<float> floats;
  for (const formats::JsonValue element : elements) {
    AKIN_TRY_ASSIGN(const double x, element.AsDouble());
    floats.push_back(static_cast<float>(x));
    if (!std::isfinite(floats.back()))
      return InvalidInput(element.Where(), " is ", element.Found(), ", which no value can be");
  }
  return floats;
}

std::string FloatsToJson(std::span<const float> values) {
  std::string json = "[";
  for (const float x : values) json += StrCat(json.size() > 1 ? "," : "", x);
  return json + "]";
}

Result<QuantizationRanges> Parse(std::string_view json, std::string_view name) {
  AKIN_TRY_ASSIGN(
      const formats::JsonDocument document,
      formats::JsonDocument::Parse(json, std::string(name), {.max_bytes = kMaxRangesBytes}));
  QuantizationRanges ranges;
  AKIN_TRY_ASSIGN(ranges.min, ReadFloats(document.root(), "min"));
  AKIN_TRY_ASSIGN(ranges.max, ReadFloats(document.root(), "max"));
  if (ranges.min.empty() || ranges.min.size() != ranges.max.size()) {
    return InvalidInput(name, ": \"min\" has ", ranges.min.size(), " values and \"max\" ",
                        ranges.max.size(), ", expected as many of each as a vector has");
  }
  for (size_t i = 0; i < ranges.min.size(); ++i) {
    if (ranges.min[i] > ranges.max[i])
      return InvalidInput(name, ": \"min\" is above \"max\" at value ", i);
    if (!std::isfinite(ranges.max[i] - ranges.min[i]))
      return InvalidInput(name, ": the range at value ", i, " is wider than a float32 can say");
  }
  return ranges;
}

}  // namespace

Status QuantizationRanges::Include(MatrixView<const float> vectors) {
  if (vectors.rows() == 0) return {};
  if (min.empty()) {
    min.assign(vectors.row(0).begin(), vectors.row(0).end());
    max = min;
  }
  for (size_t i = 0; i < vectors.rows(); ++i) {
    AKIN_TRY(CheckDimension(vectors.row(i), *this));
    for (size_t j = 0; j < min.size(); ++j) {
      min[j] = std::min(min[j], vectors(i, j));
      max[j] = std::max(max[j], vectors(i, j));
    }
  }
  return {};
}

Result<QuantizationRanges> QuantizationRanges::FromJson(std::string_view json,
                                                        std::string_view name) {
  return AtTheDoor("cannot read ranges", name, [&]() -> Result<QuantizationRanges> {
    Result<QuantizationRanges> ranges = Parse(json, name);
    // The file is the caller's, not a model's.
    if (!ranges) return InvalidInput(ranges.error().message());
    return ranges;
  });
}

std::string QuantizationRanges::ToJson() const {
  return StrCat("{\"min\":", FloatsToJson(min), ",\"max\":", FloatsToJson(max), "}\n");
}

Status ToUint8(std::span<const float> vector, const QuantizationRanges& ranges,
               std::span<uint8_t> out) {
  AKIN_TRY(CheckDimension(vector, ranges));
  for (size_t i = 0; i < vector.size(); ++i) out[i] = Step(vector[i], ranges.min[i], ranges.max[i]);
  return {};
}

Status ToInt8(std::span<const float> vector, const QuantizationRanges& ranges,
              std::span<int8_t> out) {
  AKIN_TRY(CheckDimension(vector, ranges));
  for (size_t i = 0; i < vector.size(); ++i)
    out[i] = static_cast<int8_t>(Step(vector[i], ranges.min[i], ranges.max[i]) - 128);
  return {};
}

void ToFloat16(std::span<const float> vector, std::span<uint16_t> out) {
  std::ranges::transform(vector, out.begin(), Half);
}

float FromFloat16(uint16_t half) {
  const float sign = (half & 0x8000u) != 0 ? -1.0f : 1.0f;
  const int exponent = half >> 10 & 0x1F;
  const float fraction = static_cast<float>(half & 0x3FFu);
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  if (exponent == 31) return fraction == 0.0f ? sign * INFINITY : NAN;
  return sign * std::ldexp(1024.0f + fraction, exponent - 25);
}

Status ToUbinary(std::span<const float> vector, std::span<uint8_t> out) {
  if (vector.size() % 8 != 0) {
    return InvalidInput("a vector of ", vector.size(),
                        " values cannot be packed into bits: expected a multiple of 8");
  }
  for (size_t byte = 0; byte < vector.size() / 8; ++byte) {
    unsigned bits = 0;
    for (size_t i = 0; i < 8; ++i) bits = bits << 1 | (vector[byte * 8 + i] > 0.0f ? 1u : 0u);
    out[byte] = static_cast<uint8_t>(bits);
  }
  return {};
}

Status ToBinary(std::span<const float> vector, std::span<int8_t> out) {
  AKIN_TRY(ToUbinary(vector, {reinterpret_cast<uint8_t*>(out.data()), out.size()}));
  for (int8_t& byte : out) byte = static_cast<int8_t>(static_cast<uint8_t>(byte) - 128);
  return {};
}

}  // namespace akin

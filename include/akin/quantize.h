// Smaller types for vectors that leave, by sentence-transformers' rules (quantize_embeddings).
//
// int8 and uint8: each value is one of 256 steps between the ends of a range that was measured
// beforehand, value by value, on vectors like these: step = (max - min) / 255 (1 where they are
// equal), uint8 = floor((x - min) / step) within 0 to 255, int8 the same minus 128.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/result.h"

namespace akin {

struct QuantizationRanges {
  std::vector<float> min, max;  // [dimension]

  size_t dimension() const { return min.size(); }
  // Widens the ranges to hold these vectors too. The first ones decide the dimension. Error:
  // InvalidInput (vectors of another dimension).
  Status Include(MatrixView<const float> vectors);

  // {"min": [...], "max": [...]}. Errors: InvalidInput; `name` stands for the text in messages.
  static Result<QuantizationRanges> FromJson(std::string_view json, std::string_view name);
  std::string ToJson() const;
};

// Each fills `out` [vector.size()]. Error: InvalidInput (ranges of another dimension).
Status ToInt8(std::span<const float> vector, const QuantizationRanges& ranges,
              std::span<int8_t> out);
Status ToUint8(std::span<const float> vector, const QuantizationRanges& ranges,
               std::span<uint8_t> out);

// IEEE half precision, rounded to nearest even; too large values become infinities.
void ToFloat16(std::span<const float> vector, std::span<uint16_t> out);
float FromFloat16(uint16_t half);

// Eight values a byte, the first in the highest bit, 1 for > 0. `out` has vector.size() / 8 bytes.
// Error: InvalidInput (a length that is no multiple of 8).
Status ToUbinary(std::span<const float> vector, std::span<uint8_t> out);
// The same bytes minus 128.
Status ToBinary(std::span<const float> vector, std::span<int8_t> out);

}  // namespace akin

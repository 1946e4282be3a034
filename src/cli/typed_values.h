// Numbers of an answer in the type that they leave in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "akin/options.h"
#include "akin/quantize.h"
#include "akin/result.h"

namespace akin::cli {

class TypedValues {
 public:
  // `ranges` are for int8 and uint8. float32 refers to `values`. Error: InvalidInput (ranges of
  // another dimension, a number of values that bits do not fit).
  static Result<TypedValues> Make(std::span<const float> values, OutputType type,
                                  const QuantizationRanges& ranges = {});

  // An array of numbers: int8 and packed bits as whole ones, float16 as the nearest float32.
  void AppendJson(std::string& json) const;
  // As they lie in memory, little-endian.
  std::span<const char> bytes() const;

 private:
  OutputType type_ = OutputType::kFloat32;
  std::span<const float> f32_;
  std::vector<uint16_t> f16_;
  std::vector<int8_t> i8_;
  std::vector<uint8_t> u8_;
};

// How many numbers `dimension` values become: an eighth of them where they are bits.
size_t NumTypedValues(size_t dimension, OutputType type);

}  // namespace akin::cli

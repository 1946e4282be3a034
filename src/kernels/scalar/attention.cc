#include "kernels/scalar/attention.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace akin::kernels::scalar {
namespace {

float Value(float x) { return x; }
float Value(Bf16 x) { return x.ToFloat(); }

void Store(const Output& output, size_t i, size_t j, float x) {
  if (output.bf16.rows() > 0) {
    output.bf16(i, j) = Bf16::From(x);
  } else {
    output.f32(i, j) = x;
  }
}

template <typename T>
float Dot(MatrixView<const T> a, size_t i, MatrixView<const T> b, size_t j) {
  float dot = 0.0f;
  for (size_t d = 0; d < a.cols(); ++d) dot += Value(a(i, d)) * Value(b(j, d));
  return dot;
}

// The finished score of query i and key j.
template <typename T>
float Score(const AttentionArgs<T>& args, const AttentionPattern<T>& pattern, size_t i, size_t j) {
  float dot = Dot(args.query, i, args.key, j);
  const ptrdiff_t distance = static_cast<ptrdiff_t>(j) - static_cast<ptrdiff_t>(i);
  if (pattern.position_rows != nullptr) {
    const size_t row = static_cast<size_t>(pattern.position_rows[-distance]);
    if (pattern.position_key.rows() > 0) dot += Dot(args.query, i, pattern.position_key, row);
    if (pattern.position_query.rows() > 0) dot += Dot(args.key, j, pattern.position_query, row);
  }
  float score = dot * args.scale;
  if (pattern.softcap > 0.0f) score = pattern.softcap * std::tanh(score / pattern.softcap);
  if (pattern.distance_bias != nullptr) score += pattern.distance_bias[distance];
  return score;
}

template <typename T>
void AttendWithPattern(const AttentionArgs<T>& args, const AttentionPattern<T>& pattern) {
  const size_t length = args.query.rows();
  for (size_t i = 0; i < length; ++i) {
    const size_t first = i > pattern.left ? i - pattern.left : 0;
    const size_t last = std::min(length, i + pattern.right + 1);
    const std::span<float> scores = args.scratch.first(last - first);
    for (size_t j = first; j < last; ++j) scores[j - first] = Score(args, pattern, i, j);
    const float max = *std::ranges::max_element(scores);
    float sum = 0.0f;
    for (float& score : scores) sum += score = std::exp(score - max);
    for (size_t d = 0; d < args.value.cols(); ++d) {
      float context = 0.0f;
      for (size_t j = first; j < last; ++j) context += scores[j - first] * Value(args.value(j, d));
      Store(args.context, i, d, context / sum);
    }
  }
}

template <typename T>
void Attend(const AttentionArgs<T>& args) {
  AttendWithPattern(args, AttentionPattern<T>());
}

size_t ScratchFloats(size_t length, size_t /*head_dim*/) { return length; }
size_t PatternScratchFloats(size_t length, size_t /*head_dim*/, size_t /*position_rows*/) {
  return length;
}

}  // namespace

AttentionKernels<float> AttentionF32() {
  return {.attention = Attend<float>, .scratch_floats = ScratchFloats};
}
AttentionKernels<Bf16> AttentionBf16() {
  return {.attention = Attend<Bf16>, .scratch_floats = ScratchFloats};
}
PatternedAttentionKernels<float> PatternedAttentionF32() {
  return {.attention = AttendWithPattern<float>, .scratch_floats = PatternScratchFloats};
}
PatternedAttentionKernels<Bf16> PatternedAttentionBf16() {
  return {.attention = AttendWithPattern<Bf16>, .scratch_floats = PatternScratchFloats};
}

}  // namespace akin::kernels::scalar

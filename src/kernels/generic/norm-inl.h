// Normalization by row: LayerNorm (Ba et al., 2016), the variance from differences to the mean, as
// PyTorch rounds it closest, and RMSNorm (Zhang and Sennrich, 2019).
#pragma once

#include "kernels/generic/partial-inl.h"

// out = (in - mean) * scale * weight + bias, added to what is there if asked. What a norm does not
// have is left out of the loop.
template <bool kHasBias, bool kAdds>
AKIN_INLINE void ScaleRowAs(const float* in, float* out, V mean, V scale, const NormArgs& args) {
  const auto scale_first = [&](size_t j, size_t count) __attribute__((always_inline)) {
    const V x = (LoadFirst(in + j, count) - mean) * scale;
    const V weight = LoadFirst(args.weight + j, count);
    V y = x * weight;
    if constexpr (kHasBias) y = MulAdd(x, weight, LoadFirst(args.bias + j, count));
    if constexpr (kAdds) y = LoadFirst(out + j, count) + y;
    StoreFirst(y, out + j, count);
  };
  const size_t size = args.input.cols(), tail = size % V::kLanes;
  for (size_t j = 0; j + V::kLanes <= size; j += V::kLanes) scale_first(j, V::kLanes);
  if (tail != 0) scale_first(size - tail, tail);
}

AKIN_INLINE void ScaleRow(const float* in, float* out, V mean, V scale, const NormArgs& args) {
  const bool has_bias = args.bias != nullptr;
  if (has_bias && args.add) return ScaleRowAs<true, true>(in, out, mean, scale, args);
  if (has_bias) return ScaleRowAs<true, false>(in, out, mean, scale, args);
  if (args.add) return ScaleRowAs<false, true>(in, out, mean, scale, args);
  ScaleRowAs<false, false>(in, out, mean, scale, args);
}

// The sum by lane of what term(sum, j, count) adds over the vectors of a row, `count` elements from
// j on; four sums at a time, so that no addition waits for the one before it.
template <typename Term>
AKIN_INLINE V SumOverRow(size_t size, Term term) {
  constexpr size_t kSums = 4;
  V sums[kSums] = {V::Set(0.0f), V::Set(0.0f), V::Set(0.0f), V::Set(0.0f)};
  size_t j = 0;
  for (; j + kSums * V::kLanes <= size; j += kSums * V::kLanes) {
#pragma GCC unroll 4
    for (size_t i = 0; i < kSums; ++i) sums[i] = term(sums[i], j + i * V::kLanes, V::kLanes);
  }
  for (; j < size; j += V::kLanes)
    sums[0] = term(sums[0], j, size - j < V::kLanes ? size - j : V::kLanes);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

AKIN_INLINE V SumOfSquares(const float* row, size_t size, V mean) {
  return SumOverRow(size, [=](V sum, size_t j, size_t count) __attribute__((always_inline)) {
    V d = LoadFirst(row + j, count) - mean;
    if (count < V::kLanes) d = ZeroFrom(count, d);
    return MulAdd(d, d, sum);
  });
}

void LayerNormRow(const float* in, float* out, const NormArgs& args) {
  const size_t size = args.input.cols();
  const float inverse_size = 1.0f / static_cast<float>(size);
  const V sum =
      SumOverRow(size, [=](V sums, size_t j, size_t count) __attribute__((always_inline)) {
        return sums + LoadFirst(in + j, count);
      });
  const V mean = V::Set(ReduceSum(sum) * inverse_size);
  const float variance = ReduceSum(SumOfSquares(in, size, mean)) * inverse_size;
  ScaleRow(in, out, mean, V::Set(1.0f / std::sqrt(variance + args.eps)), args);
}

void RmsNormRow(const float* in, float* out, const NormArgs& args) {
  const size_t size = args.input.cols();
  const V zero = V::Set(0.0f);
  const float mean_square =
      ReduceSum(SumOfSquares(in, size, zero)) * (1.0f / static_cast<float>(size));
  ScaleRow(in, out, zero, V::Set(1.0f / std::sqrt(mean_square + args.eps)), args);
}

void LayerNorm(const NormArgs& args) {
  for (size_t i = 0; i < args.input.rows(); ++i)
    LayerNormRow(args.input.data() + i * args.input.stride(),
                 args.output.data() + i * args.output.stride(), args);
}

void RmsNorm(const NormArgs& args) {
  for (size_t i = 0; i < args.input.rows(); ++i)
    RmsNormRow(args.input.data() + i * args.input.stride(),
               args.output.data() + i * args.output.stride(), args);
}

// Attention of one head over one sequence, by blocks of kMaxRows queries: scores of the block
// against all keys, their softmax in place, and the weighted sum of the values. The block of scores
// is kMaxRows * length floats and stays in the L1 or L2 cache; the matrix of all scores never
// exists.
//
// Keys are transposed and values copied into panels first, so that both products are the same
// outer-product kernel. Included after linear-inl.h.
#pragma once

#include "kernels/generic/linear-inl.h"

// Floats from one 64-byte line to the next: parts of the scratch begin on lines of their own.
constexpr size_t kLineFloats = 16;

AKIN_INLINE size_t RoundUp(size_t x, size_t multiple) {
  return (x + multiple - 1) / multiple * multiple;
}

size_t AttentionScratchFloats(size_t length, size_t head_dim) {
  const size_t keys = RoundUp(length, kPanelWidth), columns = RoundUp(head_dim, kPanelWidth);
  return RoundUp(keys * head_dim, kLineFloats) + RoundUp(columns * length, kLineFloats) +
         kMaxRows * keys;
}

// key [length, head_dim] -> panels of kPanelWidth keys, each [head_dim][kPanelWidth], zero past the
// last key.
void TransposeKeys(MatrixView<const float> key, float* panels) {
  const size_t length = key.rows(), head_dim = key.cols();
  for (size_t first = 0; first < length; first += kPanelWidth) {
    float* panel = panels + first * head_dim;
    for (size_t j = 0; j < kPanelWidth; ++j) {
      const float* row = first + j < length ? key.data() + (first + j) * key.stride() : nullptr;
      for (size_t d = 0; d < head_dim; ++d)
        panel[d * kPanelWidth + j] = row != nullptr ? row[d] : 0.0f;
    }
  }
}

// value [length, head_dim] -> panels of kPanelWidth columns, each [length][kPanelWidth], zero past
// the last column.
void CopyValues(MatrixView<const float> value, float* panels) {
  const size_t length = value.rows(), head_dim = value.cols();
  for (size_t first = 0; first < head_dim; first += kPanelWidth) {
    float* panel = panels + first * length;
    const size_t width = head_dim - first < kPanelWidth ? head_dim - first : kPanelWidth;
    for (size_t i = 0; i < length; ++i) {
      const float* row = value.data() + i * value.stride() + first;
      for (size_t j = 0; j < kPanelWidth; ++j)
        panel[i * kPanelWidth + j] = j < width ? row[j] : 0.0f;
    }
  }
}

// scores[0, length) becomes exp(scale * (score - max)), the vector past it stays unread; returns
// the sum. `log2_scale` is scale * log2(e).
AKIN_INLINE float SoftmaxRow(float* scores, size_t length, float log2_scale) {
  const size_t whole = length / V::kLanes * V::kLanes, tail = length - whole;
  V max = V::Set(-std::numeric_limits<float>::infinity());
  for (size_t j = 0; j < whole; j += V::kLanes) max = Max(max, V::Load(scores + j));
  float row_max = ReduceMax(max);
  for (size_t j = whole; j < length; ++j) row_max = row_max < scores[j] ? scores[j] : row_max;

  const V scale = V::Set(log2_scale), shift = V::Set(-row_max * log2_scale);
  V sum = V::Set(0.0f);
  for (size_t j = 0; j < whole; j += V::kLanes) {
    const V p = Exp2(MulAdd(V::Load(scores + j), scale, shift));
    Store(p, scores + j);
    sum = sum + p;
  }
  if (tail != 0) {
    const V p = ZeroFrom(tail, Exp2(MulAdd(V::LoadPartial(scores + whole, tail), scale, shift)));
    StorePartial(p, scores + whole, tail);
    sum = sum + p;
  }
  return ReduceSum(sum);
}

template <size_t kRows>
void AttendBlock(const AttentionArgs& args, size_t first_query, const float* keys,
                 const float* values, float* scores) {
  const size_t length = args.key.rows(), head_dim = args.key.cols();
  const size_t stride = RoundUp(length, kPanelWidth);
  for (size_t j = 0; j < length; j += kPanelWidth) {
    V acc[kRows][kPanelVecs] = {};
    Accumulate<kRows>(args.query.data() + first_query * args.query.stride(), args.query.stride(),
                      keys + j * head_dim, head_dim, acc);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (size_t v = 0; v < kPanelVecs; ++v)
        Store(acc[r][v], scores + r * stride + j + v * V::kLanes);
    }
  }
  float inverse[kRows];
  for (size_t r = 0; r < kRows; ++r) {
    inverse[r] = 1.0f / SoftmaxRow(scores + r * stride, length, args.scale * 1.44269504f);
  }
  for (size_t d = 0; d < head_dim; d += kPanelWidth) {
    V acc[kRows][kPanelVecs] = {};
    Accumulate<kRows>(scores, stride, values + d * length, length, acc);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (size_t v = 0; v < kPanelVecs; ++v) {
        const size_t first = d + v * V::kLanes;
        if (first >= head_dim) break;
        const size_t count = head_dim - first < V::kLanes ? head_dim - first : V::kLanes;
        StorePartial(acc[r][v] * V::Set(inverse[r]),
                     args.context.data() + (first_query + r) * args.context.stride() + first,
                     count);
      }
    }
  }
}

using AttendBlockFunction = void (*)(const AttentionArgs& args, size_t first_query,
                                     const float* keys, const float* values, float* scores);

template <size_t... kRowsMinusOne>
AttendBlockFunction SelectAttendBlock(size_t rows, std::index_sequence<kRowsMinusOne...>) {
  static constexpr AttendBlockFunction kBlocks[] = {AttendBlock<kRowsMinusOne + 1>...};
  return kBlocks[rows - 1];
}

void Attention(const AttentionArgs& args) {
  const size_t length = args.key.rows(), head_dim = args.key.cols();
  float* keys = args.scratch.data();
  float* values = keys + RoundUp(RoundUp(length, kPanelWidth) * head_dim, kLineFloats);
  float* scores = values + RoundUp(RoundUp(head_dim, kPanelWidth) * length, kLineFloats);
  TransposeKeys(args.key, keys);
  CopyValues(args.value, values);
  const RowTiles row_tiles(length);
  size_t query = 0;
  for (size_t t = 0; t < row_tiles.tiles; ++t) {
    const size_t rows = row_tiles.Height(t);
    SelectAttendBlock(rows, std::make_index_sequence<kMaxRows>())(args, query, keys, values,
                                                                  scores);
    query += rows;
  }
}

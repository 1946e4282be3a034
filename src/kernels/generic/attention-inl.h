// Attention of one head over one sequence, by blocks of kMaxRows queries: scores of the block
// against all keys, their softmax, and the weighted sum of the values. The block of scores
// is kMaxRows * length floats and stays in the L1 or L2 cache; the matrix of all scores never
// exists.
//
// Where lengths of queries and keys bound all scores (|q k| <= |q| |k|), the softmax needs no
// largest one: exp(score) is taken while scores are in registers, and only weights are written.
// Elsewhere scores are written first, and become weights in place, rounded over the scores that
// they come from where rows are bf16.
//
// Keys are transposed and values copied into panels first, so that both products are the same
// outer-product kernel. Included after linear-inl.h.
#pragma once

#include "kernels/generic/linear-inl.h"

// Floats from one 64-byte line to the next: parts of the scratch begin on lines of their own.
constexpr size_t kLineFloats = 16;

static_assert(kPanelVecs % 2 == 0, "the last panel of keys may be taken by half");

// The scratch of one head: transposed keys, copied values, a block of scores, and the largest
// squared length of a key.
template <typename Product>
struct AttentionScratch {
  using Panel = typename Product::Panel;

  AttentionScratch(size_t length, size_t head_dim)
      : score_stride(RoundUp(length, kPanelWidth)),
        key_floats(Floats(Steps<Product>(head_dim) * score_stride)),
        value_floats(Floats(Steps<Product>(length) * RoundUp(head_dim, kPanelWidth))) {}
  static size_t Floats(size_t step_columns) {
    return RoundUp(step_columns * Product::kDepth * sizeof(Panel) / sizeof(float), kLineFloats);
  }
  size_t floats() const {
    return key_floats + value_floats + kMaxRows * score_stride + kLineFloats;
  }

  size_t score_stride;
  size_t key_floats;
  size_t value_floats;
};

template <typename Product>
size_t AttentionScratchFloats(size_t length, size_t head_dim) {
  return AttentionScratch<Product>(length, head_dim).floats();
}

// key [length, head_dim] -> panels of kPanelWidth keys, each [steps of head_dim][kPanelWidth]
// [kDepth], zero past the last element. After the last key come copies of it, to whole panels, so
// that their scores are no larger than those of all keys. A step of one key is a dword.
template <typename Product>
void TransposeKeys(MatrixView<const typename Product::Row> key, typename Product::Panel* panels) {
  constexpr size_t kDepth = Product::kDepth, kLanes = V::kLanes;
  using Panel = typename Product::Panel;
  static_assert(kDepth * sizeof(Panel) == 4);
  const size_t length = key.rows(), head_dim = key.cols(), steps = Steps<Product>(head_dim);
  const size_t whole_steps = head_dim / kDepth / kLanes * kLanes;
  for (size_t first = 0; first < RoundUp(length, kPanelWidth); first += kLanes) {
    Panel* panel =
        panels + first / kPanelWidth * kPanelWidth * steps * kDepth + first % kPanelWidth * kDepth;
    const size_t row = first < length ? first : length - 1, last_row = length - 1 - row;
    for (size_t step = 0; step < whole_steps; step += kLanes) {
      TransposeDwords(
          reinterpret_cast<const std::byte*>(key.data() + row * key.stride() + step * kDepth),
          key.stride() * sizeof(Panel), last_row,
          reinterpret_cast<std::byte*>(panel + step * kPanelWidth * kDepth),
          kPanelWidth * kDepth * sizeof(Panel));
    }
    for (size_t j = 0; j < kLanes; ++j) {
      const Panel* from = key.data() + (row + (j < last_row ? j : last_row)) * key.stride();
      for (size_t d = whole_steps * kDepth; d < steps * kDepth; ++d) {
        panel[(d / kDepth * kPanelWidth + j) * kDepth + d % kDepth] =
            d < head_dim ? from[d] : Panel{};
      }
    }
  }
}

// value [length, head_dim] -> panels of kPanelWidth columns, each [steps][kPanelWidth][kDepth],
// zero past the last column and the last value; `steps` are Steps(length) or more.
template <typename Product>
void CopyValues(MatrixView<const typename Product::Row> value, size_t steps,
                typename Product::Panel* panels) {
  constexpr size_t kDepth = Product::kDepth;
  using Panel = typename Product::Panel;
  const size_t length = value.rows(), head_dim = value.cols();
  for (size_t first = 0; first < head_dim; first += kPanelWidth) {
    Panel* panel = panels + first * steps * kDepth;
    const size_t width = head_dim - first < kPanelWidth ? head_dim - first : kPanelWidth;
    size_t step = 0;
    if (width == kPanelWidth) {
      for (; step < length / kDepth; ++step) {
        Product::CopyStep(value.data() + step * kDepth * value.stride() + first, value.stride(),
                          panel + step * kPanelWidth * kDepth);
      }
    }
    for (size_t i = step * kDepth; i < steps * kDepth; ++i) {
      const Panel* row = i < length ? value.data() + i * value.stride() + first : nullptr;
      Panel* out = panel + i / kDepth * kPanelWidth * kDepth + i % kDepth;
      for (size_t j = 0; j < kPanelWidth; ++j)
        out[j * kDepth] = row != nullptr && j < width ? row[j] : Panel{};
    }
  }
}

// The largest of scores[0, length). What follows them to a whole vector is no larger.
AKIN_INLINE float LargestScore(const float* scores, size_t length) {
  V max = V::Set(-std::numeric_limits<float>::infinity());
  for (size_t j = 0; j < length; j += V::kLanes) max = Max(max, V::Load(scores + j));
  return ReduceMax(max);
}

// scores[0, length), of which row_max is the largest, becomes weights exp(scale * (score - max)) in
// the row format of the product, a zero after them where a step of k would read on; returns the
// sum. `log2_scale` is scale * log2(e).
template <typename Product>
AKIN_INLINE float SoftmaxRow(float* scores, size_t length, float row_max, float log2_scale) {
  using Row = typename Product::Row;
  Row* weights = reinterpret_cast<Row*>(scores);
  const size_t whole = length / V::kLanes * V::kLanes, tail = length - whole;
  const V scale = V::Set(log2_scale), shift = V::Set(-row_max * log2_scale);
  V sum = V::Set(0.0f);
  for (size_t j = 0; j < whole; j += V::kLanes) {
    const V p = Product::SoftmaxExp2(MulAdd(V::Load(scores + j), scale, shift));
    Store(p, weights + j);
    sum = sum + p;
  }
  if (tail != 0) {
    const V p = ZeroFrom(
        tail, Product::SoftmaxExp2(MulAdd(V::LoadPartial(scores + whole, tail), scale, shift)));
    StorePartial(p, weights + whole, RoundUp(tail, Product::kDepth));
    sum = sum + p;
  }
  return ReduceSum(sum);
}

// 2^x of scores up to this, and sums of it, times values of any use stay far from the ends of f32.
constexpr float kMaxBoundedScore = 60.0f;
// Fewer scores gain less than it costs to bound them.
constexpr size_t kLeastBoundedKeys = 32;

AKIN_INLINE float ToFloat(float x) { return x; }
AKIN_INLINE float ToFloat(Bf16 x) { return x.ToFloat(); }
AKIN_INLINE V LoadRow(const float* p) { return V::Load(p); }
AKIN_INLINE V LoadRow(const Bf16* p) { return LoadBf16(p); }

// The largest sum of squares of a row. NaN is passed over: it comes out of either softmax as NaN.
template <typename Row>
float LargestSquaredLength(MatrixView<const Row> rows) {
  const size_t cols = rows.cols(), whole = cols / V::kLanes * V::kLanes;
  float largest = 0.0f;
  for (size_t i = 0; i < rows.rows(); ++i) {
    const Row* row = rows.data() + i * rows.stride();
    V squares = V::Set(0.0f);
    for (size_t j = 0; j < whole; j += V::kLanes) {
      const V x = LoadRow(row + j);
      squares = MulAdd(x, x, squares);
    }
    float sum = ReduceSum(squares);
    for (size_t j = whole; j < cols; ++j) sum += ToFloat(row[j]) * ToFloat(row[j]);
    if (sum > largest) largest = sum;
  }
  return largest;
}

// Of queries against keys with this largest squared length.
template <typename Row>
bool HasBoundedScores(const AttentionArgs<Row>& args, float key_squared) {
  constexpr float kMost = kMaxBoundedScore * kMaxBoundedScore;
  const float scale = args.scale * kLog2E;
  return LargestSquaredLength(args.query) * key_squared * scale * scale <= kMost;
}

template <typename Product, typename T>
struct AttendBlock {
  using Row = typename Product::Row;
  using Panel = typename Product::Panel;

  template <size_t kRows>
  static void Run(const AttentionArgs<Row>& args, MatrixView<T> context, size_t first_query,
                  const Panel* keys, const Panel* values, bool bounded, MatrixView<float> scores) {
    float sums[kRows];
    if (bounded) {
      BoundedWeights<kRows>(args, first_query, keys, scores, sums);
    } else {
      Weights<kRows>(args, first_query, keys, scores, sums);
    }
    AddValues<kRows>(args, context, first_query, values, scores, sums);
  }

 private:
  // From the weights of one query to the next, in elements; they lie where its scores do.
  static size_t WeightStride(MatrixView<const float> scores) {
    return scores.stride() * sizeof(float) / sizeof(Row);
  }

  // Scores of queries against the first kVecs vectors of the panel of keys from `key` on.
  template <size_t kRows, size_t kVecs>
  AKIN_INLINE static void AddScores(const AttentionArgs<Row>& args, size_t first_query,
                                    const Panel* keys, size_t key, V (&sum)[kRows][kVecs]) {
    const size_t steps = Steps<Product>(args.key.cols());
    Accumulate<Product, kRows>(args.query.data() + first_query * args.query.stride(),
                               args.query.stride(), keys + key * steps * Product::kDepth, steps,
                               sum);
  }
  // Whether the panel of keys from `key` on has so few that the first half of its vectors will do.
  static bool IsHalf(size_t length, size_t key) { return length - key <= kPanelWidth / 2; }

  // Weights exp(scale * score) in the row format of the product, a zero after them where a step of
  // k would read on, and their sums.
  template <size_t kRows>
  static void BoundedWeights(const AttentionArgs<Row>& args, size_t first_query, const Panel* keys,
                             MatrixView<float> scores, float (&sums)[kRows]) {
    const size_t length = args.key.rows();
    alignas(64) float lane_sums[kRows * V::kLanes] = {};
    for (size_t key = 0; key < length; key += kPanelWidth) {
      if (IsHalf(length, key)) {
        BoundedWeightsOf<kRows, kPanelVecs / 2>(args, first_query, keys, key, scores, lane_sums);
      } else {
        BoundedWeightsOf<kRows, kPanelVecs>(args, first_query, keys, key, scores, lane_sums);
      }
    }
    for (size_t r = 0; r < kRows; ++r) sums[r] = ReduceSum(V::Load(lane_sums + r * V::kLanes));
  }

  // Those of one panel, added up by lane.
  template <size_t kRows, size_t kVecs>
  AKIN_INLINE static void BoundedWeightsOf(const AttentionArgs<Row>& args, size_t first_query,
                                           const Panel* keys, size_t key, MatrixView<float> scores,
                                           float* lane_sums) {
    const V scale = V::Set(args.scale * kLog2E);
    const size_t stride = WeightStride(scores), count = args.key.rows() - key;
    Row* const weights = reinterpret_cast<Row*>(scores.data()) + key;
    V sum[kRows][kVecs] = {};
    AddScores(args, first_query, keys, key, sum);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      V lanes = V::Load(lane_sums + r * V::kLanes);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVecs; ++v) {
        V p = Product::BoundedExp2(sum[r][v] * scale);
        if (count < kVecs * V::kLanes) [[unlikely]] {
          const size_t first = v * V::kLanes;
          p = ZeroFrom(count <= first              ? 0
                       : count - first < V::kLanes ? count - first
                                                   : V::kLanes,
                       p);
        }
        Store(p, weights + r * stride + v * V::kLanes);
        lanes = lanes + p;
      }
      Store(lanes, lane_sums + r * V::kLanes);
    }
  }

  // The same of exp(scale * (score - largest)).
  template <size_t kRows>
  static void Weights(const AttentionArgs<Row>& args, size_t first_query, const Panel* keys,
                      MatrixView<float> scores, float (&sums)[kRows]) {
    const size_t length = args.key.rows();
    // The largest scores so far, by lane; found while they are in registers.
    alignas(64) float largest[kRows * V::kLanes];
    for (size_t r = 0; r < kRows; ++r)
      Store(V::Set(-std::numeric_limits<float>::infinity()), largest + r * V::kLanes);
    for (size_t key = 0; key < length; key += kPanelWidth) {
      if (IsHalf(length, key)) {
        ScoresOf<kRows, kPanelVecs / 2>(args, first_query, keys, key, scores, largest);
      } else {
        ScoresOf<kRows, kPanelVecs>(args, first_query, keys, key, scores, largest);
      }
    }
    for (size_t r = 0; r < kRows; ++r) {
      sums[r] =
          SoftmaxRow<Product>(scores.row(r).data(), length,
                              ReduceMax(V::Load(largest + r * V::kLanes)), args.scale * kLog2E);
    }
  }

  // The scores of one panel, and the largest by lane.
  template <size_t kRows, size_t kVecs>
  AKIN_INLINE static void ScoresOf(const AttentionArgs<Row>& args, size_t first_query,
                                   const Panel* keys, size_t key, MatrixView<float> scores,
                                   float* largest) {
    V sum[kRows][kVecs] = {};
    AddScores(args, first_query, keys, key, sum);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      V max = V::Load(largest + r * V::kLanes);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVecs; ++v) {
        Store(sum[r][v], scores.row(r).data() + key + v * V::kLanes);
        max = Max(max, sum[r][v]);
      }
      Store(max, largest + r * V::kLanes);
    }
  }

  // The context: values by their weights, over the sums.
  template <size_t kRows>
  static void AddValues(const AttentionArgs<Row>& args, MatrixView<T> context, size_t first_query,
                        const Panel* values, MatrixView<const float> scores,
                        const float (&sums)[kRows]) {
    const size_t length = args.key.rows(), head_dim = args.key.cols();
    const size_t value_steps = Steps<Product>(length);
    const Row* weights = reinterpret_cast<const Row*>(scores.data());
    const size_t weight_stride = WeightStride(scores);
    for (size_t d = 0; d < head_dim; d += kPanelWidth) {
      V sum[kRows][kPanelVecs] = {};
      Accumulate<Product, kRows>(weights, weight_stride, values + d * value_steps * Product::kDepth,
                                 value_steps, sum);
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
        const V inverse = V::Set(1.0f / sums[r]);
#pragma GCC unroll 4
        for (size_t v = 0; v < kPanelVecs; ++v) {
          const size_t first = d + v * V::kLanes;
          if (first >= head_dim) break;
          const size_t count = head_dim - first < V::kLanes ? head_dim - first : V::kLanes;
          FinishAndStore<Epilogue::kStore>(
              sum[r][v] * inverse, context.data() + (first_query + r) * context.stride() + first,
              count);
        }
      }
    }
  }
};

template <typename Product, typename T, size_t... kRowsMinusOne>
auto SelectAttendBlock(size_t rows, std::index_sequence<kRowsMinusOne...>) {
  static constexpr decltype(&AttendBlock<Product, T>::template Run<1>) kBlocks[] = {
      AttendBlock<Product, T>::template Run<kRowsMinusOne + 1>...};
  return kBlocks[rows - 1];
}

template <typename Product, typename T>
void AttendTo(const AttentionArgs<typename Product::Row>& args, MatrixView<T> context) {
  using Panel = typename Product::Panel;
  const size_t length = args.key.rows();
  const AttentionScratch<Product> sizes(length, args.key.cols());
  Panel* keys = reinterpret_cast<Panel*>(args.scratch.data());
  Panel* values = reinterpret_cast<Panel*>(args.scratch.data() + sizes.key_floats);
  const MatrixView<float> scores(args.scratch.data() + sizes.key_floats + sizes.value_floats,
                                 kMaxRows, length, sizes.score_stride);
  if (!args.scratch_has_keys) {
    TransposeKeys<Product>(args.key, keys);
    CopyValues<Product>(args.value, Steps<Product>(length), values);
  }
  float& key_squared = args.scratch[sizes.floats() - kLineFloats];
  const bool may_bound = length >= kLeastBoundedKeys;
  if (may_bound && !args.scratch_has_keys) key_squared = LargestSquaredLength(args.key);
  const bool bounded = may_bound && HasBoundedScores(args, key_squared);
  const RowTiles row_tiles(length);
  size_t query = 0;
  for (size_t t = 0; t < row_tiles.tiles; ++t) {
    const size_t rows = row_tiles.Height(t);
    AskForHead(args.next, query, rows);
    SelectAttendBlock<Product, T>(rows, std::make_index_sequence<kMaxRows>())(
        args, context, query, keys, values, bounded, scores);
    query += rows;
  }
}

// Attention with a pattern: windows and causal masks, soft-capped scores, biases by distance,
// DeBERTa's disentangled positions. The same products as attention-inl.h, by blocks of kMaxRows
// queries; between them each row of scores is finished by what the pattern says.
//
// A block's products run over the panels of keys that one of its rows sees and no others; weights
// of keys in there that a row does not see are zero, which adds nothing to its sums, so that a
// row's result does not depend on the block it is in.
//
// Of the disentangled terms, query_i . position_key_r is a product of the block with the rows r
// that the sequence uses, and key_j . position_query_r one of all keys, made once a head; both are
// then looked up by distance. Included after attention-inl.h.
#pragma once

#include "kernels/generic/attention-inl.h"
#include "kernels/generic/partial-inl.h"

// The rows of position_key and position_query that sequences of `length` use: from the one of the
// distance -(length - 1) to that of length - 1.
template <typename T>
struct PositionRange {
  PositionRange(const AttentionPattern<T>& pattern, size_t length) {
    if (pattern.position_rows == nullptr) return;
    const ptrdiff_t most = static_cast<ptrdiff_t>(length) - 1;
    first = static_cast<size_t>(pattern.position_rows[-most]);
    count = static_cast<size_t>(pattern.position_rows[most]) + 1 - first;
  }
  size_t first = 0;
  size_t count = 0;
};

// The scratch of one head: what attention takes, then panels of position rows, then the products of
// the keys with them and those of a block of queries.
template <typename Product>
struct PatternScratch {
  PatternScratch(size_t length, size_t head_dim, size_t position_rows)
      : plain(length, head_dim),
        position_stride(RoundUp(position_rows, kPanelWidth)),
        panel_floats(AttentionScratch<Product>::Floats(Steps<Product>(head_dim) * position_stride)),
        key_term_floats(length * position_stride) {}
  size_t floats() const {
    return plain.floats() + panel_floats + key_term_floats + kMaxRows * position_stride;
  }

  AttentionScratch<Product> plain;
  size_t position_stride;
  size_t panel_floats;
  size_t key_term_floats;
};

template <typename Product>
size_t PatternScratchFloats(size_t length, size_t head_dim, size_t position_rows) {
  return PatternScratch<Product>(length, head_dim, position_rows).floats();
}

// out[r][0, columns) = row r of `a` times the panels of a transposed matrix, to whole panels.
template <typename Product, size_t kRows>
AKIN_INLINE void MultiplyPanels(const typename Product::Row* a, size_t lda,
                                const typename Product::Panel* panels, size_t steps, size_t columns,
                                float* out, size_t stride) {
  for (size_t j = 0; j < columns; j += kPanelWidth) {
    V sum[kRows][kPanelVecs] = {};
    Accumulate<Product, kRows>(a, lda, panels + j * steps * Product::kDepth, steps, sum);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (size_t v = 0; v < kPanelVecs; ++v)
        Store(sum[r][v], out + r * stride + j + v * V::kLanes);
    }
  }
}

// One head of one sequence under way.
template <typename Product>
struct PatternedHead {
  using Row = typename Product::Row;
  using Panel = typename Product::Panel;

  const AttentionArgs<Row>& args;
  const AttentionPattern<Row>& pattern;
  size_t length, head_dim, score_stride;
  const Panel* keys;
  const Panel* values;
  float* scores;  // [kMaxRows, score_stride]
  PositionRange<Row> positions;
  size_t position_stride;
  const Panel* position_key;  // Panels, or nullptr.
  const float* key_terms;     // [length, position_stride], or nullptr.
  float* query_terms;         // [kMaxRows, position_stride]

  // The keys [first, last) that query i sees.
  size_t FirstKey(size_t i) const { return i > pattern.left ? i - pattern.left : 0; }
  size_t LastKey(size_t i) const {
    return length - i - 1 > pattern.right ? i + pattern.right + 1 : length;
  }

  // scores[j] of keys [first, first + count) and query i, finished.
  void FinishScores(size_t i, size_t first, size_t count, const float* terms, float* out) const {
    const V scale = V::Set(args.scale);
    const V cap = V::Set(pattern.softcap), inverse_cap = V::Set(1.0f / pattern.softcap);
    if (terms != nullptr || key_terms != nullptr) AddPositions(i, first, count, terms, out);
    const float* bias =
        pattern.distance_bias == nullptr
            ? nullptr
            : pattern.distance_bias + static_cast<ptrdiff_t>(first) - static_cast<ptrdiff_t>(i);
    for (size_t j = 0; j < count; j += V::kLanes) {
      const size_t n = count - j < V::kLanes ? count - j : V::kLanes;
      V x = LoadFirst(out + j, n) * scale;
      if (pattern.softcap > 0.0f) x = cap * Tanh(x * inverse_cap);
      if (bias != nullptr) x = x + LoadFirst(bias + j, n);
      StoreFirst(x, out + j, n);
    }
  }

  void AddPositions(size_t i, size_t first, size_t count, const float* terms, float* out) const {
    for (size_t j = 0; j < count; ++j) {
      const size_t key = first + j;
      const size_t row = static_cast<size_t>(
          pattern.position_rows[static_cast<ptrdiff_t>(i) - static_cast<ptrdiff_t>(key)]);
      const size_t at = row - positions.first;
      if (terms != nullptr) out[j] += terms[at];
      if (key_terms != nullptr) out[j] += key_terms[key * position_stride + at];
    }
  }
};

// scores[0, count) becomes weights in the row format; as SoftmaxRow, from `scores` to `weights`,
// which may lie over it but not behind it.
template <typename Product>
AKIN_INLINE float WeighRow(const float* scores, size_t count, typename Product::Row* weights) {
  V max = V::Set(-std::numeric_limits<float>::infinity());
  const size_t whole = count / V::kLanes * V::kLanes, tail = count - whole;
  for (size_t j = 0; j < whole; j += V::kLanes) max = Max(max, V::Load(scores + j));
  float row_max = ReduceMax(max);
  for (size_t j = whole; j < count; ++j) row_max = row_max < scores[j] ? scores[j] : row_max;

  const V scale = V::Set(kLog2E), shift = V::Set(-row_max * kLog2E);
  V sum = V::Set(0.0f);
  for (size_t j = 0; j < whole; j += V::kLanes) {
    const V p = Product::SoftmaxExp2(MulAdd(V::Load(scores + j), scale, shift));
    Store(p, weights + j);
    sum = sum + p;
  }
  if (tail != 0) {
    const V p = ZeroFrom(
        tail, Product::SoftmaxExp2(MulAdd(V::LoadPartial(scores + whole, tail), scale, shift)));
    StorePartial(p, weights + whole, tail);
    sum = sum + p;
  }
  return ReduceSum(sum);
}

template <typename Product, typename T>
struct PatternedBlock {
  using Row = typename Product::Row;
  using Panel = typename Product::Panel;

  template <size_t kRows>
  static void Run(const PatternedHead<Product>& head, MatrixView<T> context, size_t first_query) {
    const size_t begin = head.FirstKey(first_query) / kPanelWidth * kPanelWidth;
    const size_t end = head.LastKey(first_query + kRows - 1);
    float inverse[kRows];
    Scores<kRows>(head, first_query, begin, end, inverse);
    Context<kRows>(head, first_query, begin, end, inverse, context);
  }

  // Leaves the weights of keys [begin, end) in head.scores, and one over the sum of each row.
  template <size_t kRows>
  static void Scores(const PatternedHead<Product>& head, size_t first_query, size_t begin,
                     size_t end, float* inverse) {
    constexpr size_t kDepth = Product::kDepth;
    const auto& query = head.args.query;
    const Row* rows = query.data() + first_query * query.stride();
    const size_t steps = Steps<Product>(head.head_dim);
    MultiplyPanels<Product, kRows>(rows, query.stride(), head.keys + begin * steps * kDepth, steps,
                                   end - begin, head.scores, head.score_stride);
    if (head.position_key != nullptr) {
      MultiplyPanels<Product, kRows>(rows, query.stride(), head.position_key, steps,
                                     head.positions.count, head.query_terms, head.position_stride);
    }
    for (size_t r = 0; r < kRows; ++r) {
      const size_t i = first_query + r, first = head.FirstKey(i), last = head.LastKey(i);
      float* scores = head.scores + r * head.score_stride;
      Row* weights = reinterpret_cast<Row*>(scores);
      head.FinishScores(
          i, first, last - first,
          head.position_key != nullptr ? head.query_terms + r * head.position_stride : nullptr,
          scores + (first - begin));
      inverse[r] = 1.0f / WeighRow<Product>(scores + (first - begin), last - first,
                                            weights + (first - begin));
      for (size_t j = 0; j < first - begin; ++j) weights[j] = Row{};
      for (size_t j = last - begin; j < RoundUp(end - begin, kDepth); ++j) weights[j] = Row{};
    }
  }

  template <size_t kRows>
  static void Context(const PatternedHead<Product>& head, size_t first_query, size_t begin,
                      size_t end, const float* inverse, MatrixView<T> context) {
    constexpr size_t kDepth = Product::kDepth;
    const size_t weight_stride = head.score_stride * sizeof(float) / sizeof(Row);
    const size_t all_steps = Steps<Product>(head.length), first_step = begin / kDepth;
    for (size_t d = 0; d < head.head_dim; d += kPanelWidth) {
      V sum[kRows][kPanelVecs] = {};
      Accumulate<Product, kRows>(reinterpret_cast<const Row*>(head.scores), weight_stride,
                                 head.values + (d * all_steps + first_step * kPanelWidth) * kDepth,
                                 Steps<Product>(end - begin), sum);
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (size_t v = 0; v < kPanelVecs; ++v) {
          const size_t first = d + v * V::kLanes;
          if (first >= head.head_dim) break;
          const size_t count =
              head.head_dim - first < V::kLanes ? head.head_dim - first : V::kLanes;
          FinishAndStore<Epilogue::kStore>(
              sum[r][v] * V::Set(inverse[r]),
              context.data() + (first_query + r) * context.stride() + first, count);
        }
      }
    }
  }
};

// Rows [0, length) of a matrix in blocks: calls function(first, rows) with a compile-time height.
template <typename Function, size_t... kRowsMinusOne>
AKIN_INLINE void WithHeight(size_t rows, Function function, std::index_sequence<kRowsMinusOne...>) {
  ((rows == kRowsMinusOne + 1 ? function(std::integral_constant<size_t, kRowsMinusOne + 1>())
                              : void()),
   ...);
}

template <typename Function>
AKIN_INLINE void ForRowTiles(size_t length, Function function) {
  const RowTiles tiles(length);
  size_t row = 0;
  for (size_t t = 0; t < tiles.tiles; ++t) {
    WithHeight(
        tiles.Height(t), [&](auto height) { function(row, height); },
        std::make_index_sequence<kMaxRows>());
    row += tiles.Height(t);
  }
}

template <typename Product, typename T>
void AttendWithPattern(const AttentionArgs<typename Product::Row>& args,
                       const AttentionPattern<typename Product::Row>& pattern,
                       MatrixView<T> context) {
  using Row = typename Product::Row;
  using Panel = typename Product::Panel;
  const size_t length = args.key.rows(), head_dim = args.key.cols();
  const PositionRange<Row> positions(pattern, length);
  const PatternScratch<Product> sizes(length, head_dim, positions.count);
  float* next = args.scratch.data();
  const auto take = [&](size_t floats) {
    float* part = next;
    next += floats;
    return part;
  };
  Panel* keys = reinterpret_cast<Panel*>(take(sizes.plain.key_floats));
  Panel* values = reinterpret_cast<Panel*>(take(sizes.plain.value_floats));
  float* scores = take(kMaxRows * sizes.plain.score_stride);
  Panel* panels = reinterpret_cast<Panel*>(take(sizes.panel_floats));
  float* key_terms = take(sizes.key_term_floats);
  float* query_terms = take(kMaxRows * sizes.position_stride);
  if (!args.scratch_has_keys) {
    TransposeKeys<Product>(args.key, keys);
    CopyValues<Product>(args.value, Steps<Product>(args.value.rows()), values);
  }

  const bool key_positions = pattern.position_key.rows() > 0;
  const bool query_positions = pattern.position_query.rows() > 0;
  if (query_positions) {
    TransposeKeys<Product>(pattern.position_query.Rows(positions.first, positions.count), panels);
    ForRowTiles(length, [&](size_t row, auto height) {
      MultiplyPanels<Product, height>(args.key.data() + row * args.key.stride(), args.key.stride(),
                                      panels, Steps<Product>(head_dim), positions.count,
                                      key_terms + row * sizes.position_stride,
                                      sizes.position_stride);
    });
  }
  if (key_positions)
    TransposeKeys<Product>(pattern.position_key.Rows(positions.first, positions.count), panels);

  const PatternedHead<Product> head{.args = args,
                                    .pattern = pattern,
                                    .length = length,
                                    .head_dim = head_dim,
                                    .score_stride = sizes.plain.score_stride,
                                    .keys = keys,
                                    .values = values,
                                    .scores = scores,
                                    .positions = positions,
                                    .position_stride = sizes.position_stride,
                                    .position_key = key_positions ? panels : nullptr,
                                    .key_terms = query_positions ? key_terms : nullptr,
                                    .query_terms = query_terms};
  ForRowTiles(length, [&](size_t row, auto height) {
    PatternedBlock<Product, T>::template Run<height>(head, context, row);
  });
}

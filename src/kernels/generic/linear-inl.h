// Matrix product over packed panels: the outer-product micro-kernel of Goto and van de Geijn
// ("Anatomy of High-Performance Matrix Multiplication", 2008) without the split over k, whose sums
// would depend on block sizes.
//
// A tile of up to kMaxRows rows and one panel (kPanelVecs vectors of columns) stays in registers
// while k runs from first to last; each step multiplies one broadcast element a row with the
// panel's next row. Included once by each tier, inside its target region and anonymous namespace,
// after vec.h, which defines V and kMaxRows.
#pragma once

#include "kernels/generic/math-inl.h"

constexpr size_t kPanelVecs = 2;
constexpr size_t kPanelWidth = kPanelVecs * V::kLanes;
// Panels whose sum of bytes stays in this much of the L2 cache are reused for all rows before the
// next ones are read.
constexpr size_t kPanelBlockBytes = size_t{384} << 10;

void PackPanel(MatrixView<const float> rows, std::span<const float> bias, float* panel) {
  for (size_t j = 0; j < kPanelWidth; ++j) panel[j] = bias[j];
  // By blocks of 16 columns of k: a cache line of each row is read whole before it is evicted.
  for (size_t k0 = 0; k0 < rows.cols(); k0 += 16) {
    const size_t k1 = k0 + 16 < rows.cols() ? k0 + 16 : rows.cols();
    for (size_t j = 0; j < kPanelWidth; ++j) {
      const float* row = rows.data() + j * rows.stride();
      for (size_t k = k0; k < k1; ++k) panel[(1 + k) * kPanelWidth + j] = row[k];
    }
  }
}

template <Epilogue kEpilogue>
AKIN_INLINE V Finish(V x, V y) {
  if constexpr (kEpilogue == Epilogue::kGelu) return Gelu(x);
  if constexpr (kEpilogue == Epilogue::kGeluTanh) return GeluTanh(x);
  if constexpr (kEpilogue == Epilogue::kRelu) return Max(V::Set(0.0f), x);
  if constexpr (kEpilogue == Epilogue::kAdd) return y + x;
  return x;
}

// acc[r][v] += sum over k of a[r][k] * b[k][v]; `b` is a panel without its bias, `lda` the row
// stride of `a`.
template <size_t kRows>
AKIN_INLINE void Accumulate(const float* a, size_t lda, const float* b, size_t k,
                            V (&acc)[kRows][kPanelVecs]) {
  for (size_t kk = 0; kk < k; ++kk) {
    V panel[kPanelVecs];
#pragma GCC unroll 2
    for (size_t v = 0; v < kPanelVecs; ++v) panel[v] = V::Load(b + v * V::kLanes);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      const V x = V::Set(a[r * lda + kk]);
#pragma GCC unroll 2
      for (size_t v = 0; v < kPanelVecs; ++v) acc[r][v] = MulAdd(x, panel[v], acc[r][v]);
    }
    b += kPanelWidth;
  }
}

// One tile: kRows rows of the output, columns [0, width) of one panel.
template <size_t kRows, Epilogue kEpilogue>
void LinearTile(const float* a, size_t lda, const float* panel, size_t k, float* c, size_t ldc,
                size_t width) {
  V acc[kRows][kPanelVecs] = {};
  Accumulate<kRows>(a, lda, panel + kPanelWidth, k, acc);
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (size_t v = 0; v < kPanelVecs; ++v) {
      const size_t first = v * V::kLanes;
      if (first >= width) break;
      const size_t count = width - first < V::kLanes ? width - first : V::kLanes;
      float* out = c + r * ldc + first;
      const V x = acc[r][v] + V::Load(panel + first);
      if (count == V::kLanes) {
        V y{};
        if constexpr (kEpilogue == Epilogue::kAdd) y = V::Load(out);
        Store(Finish<kEpilogue>(x, y), out);
      } else {
        V y{};
        if constexpr (kEpilogue == Epilogue::kAdd) y = V::LoadPartial(out, count);
        StorePartial(Finish<kEpilogue>(x, y), out, count);
      }
    }
  }
}

using LinearTileFunction = void (*)(const float* a, size_t lda, const float* panel, size_t k,
                                    float* c, size_t ldc, size_t width);

template <Epilogue kEpilogue, size_t... kRowsMinusOne>
LinearTileFunction SelectTile(size_t rows, std::index_sequence<kRowsMinusOne...>) {
  static constexpr LinearTileFunction kTiles[] = {LinearTile<kRowsMinusOne + 1, kEpilogue>...};
  return kTiles[rows - 1];
}

// Rows are cut into tiles of nearly equal height, so that a batch of 15 is 8 + 7 and not 14 + 1.
// Heights do not change a row's sums.
struct RowTiles {
  explicit RowTiles(size_t rows)
      : tiles((rows + kMaxRows - 1) / kMaxRows),
        base(tiles ? rows / tiles : 0),
        rest(tiles ? rows % tiles : 0) {}
  size_t Height(size_t tile) const { return base + (tile < rest ? 1 : 0); }
  size_t tiles, base, rest;
};

template <Epilogue kEpilogue>
void LinearPanels(const LinearArgs& args) {
  const size_t k = args.linear.k, panel_floats = kPanelWidth * (k + 1);
  const RowTiles row_tiles(args.input.rows());
  const size_t block = kPanelBlockBytes / (panel_floats * sizeof(float)) + 1;
  for (size_t p0 = args.first_panel; p0 < args.last_panel; p0 += block) {
    const size_t p1 = p0 + block < args.last_panel ? p0 + block : args.last_panel;
    size_t row = 0;
    for (size_t t = 0; t < row_tiles.tiles; ++t) {
      const size_t rows = row_tiles.Height(t);
      const LinearTileFunction tile =
          SelectTile<kEpilogue>(rows, std::make_index_sequence<kMaxRows>());
      for (size_t p = p0; p < p1; ++p) {
        const size_t first = p * kPanelWidth;
        const size_t width =
            args.linear.n - first < kPanelWidth ? args.linear.n - first : kPanelWidth;
        tile(args.input.data() + row * args.input.stride(), args.input.stride(),
             args.linear.panels + p * panel_floats, k,
             args.output.data() + row * args.output.stride() + first, args.output.stride(), width);
      }
      row += rows;
    }
  }
}

void Linear(const LinearArgs& args) {
  switch (args.epilogue) {
    case Epilogue::kStore: return LinearPanels<Epilogue::kStore>(args);
    case Epilogue::kGelu: return LinearPanels<Epilogue::kGelu>(args);
    case Epilogue::kGeluTanh: return LinearPanels<Epilogue::kGeluTanh>(args);
    case Epilogue::kRelu: return LinearPanels<Epilogue::kRelu>(args);
    case Epilogue::kAdd: return LinearPanels<Epilogue::kAdd>(args);
  }
}

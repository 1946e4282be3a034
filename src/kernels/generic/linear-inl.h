// Matrix product over packed panels: the outer-product micro-kernel of Goto and van de Geijn
// ("Anatomy of High-Performance Matrix Multiplication", 2008) without the split over k, whose sums
// would depend on block sizes.
//
// A tile of up to kMaxRows rows and one panel (kPanelVecs vectors of columns) stays in registers
// while k runs from first to last; each step multiplies what it broadcasts of a row with the
// panel's next row. What an element of a row and of a panel is, and how many of them a step takes,
// is a Product. Included once by each tier, inside its target region and anonymous namespace, after
// vec.h, which defines V, kMaxRows and kPanelVecs, and rotation.h.
#pragma once

#include "kernels/generic/fetch-inl.h"
#include "kernels/generic/math-inl.h"
#include "kernels/generic/rotation-inl.h"

constexpr size_t kPanelWidth = kPanelVecs * V::kLanes;
// Panels whose sum of bytes stays in this much of the L2 cache are reused for all rows before the
// next ones are read.
constexpr size_t kPanelBlockBytes = size_t{384} << 10;

AKIN_INLINE size_t RoundUp(size_t x, size_t multiple) {
  return (x + multiple - 1) / multiple * multiple;
}

// f32 times f32, one fused multiply-add a step.
struct F32Product {
  using Row = float;
  using Panel = float;
  using Vec = V;
  using Sum = V;
  static constexpr size_t kDepth = 1;  // Elements of k in a step.
  static constexpr OperandKind kOperand = OperandKind::kF32;
  // Weights in int8: rotated, and a panel has a scale for each column.
  static constexpr bool kScaled = false;

  static AKIN_INLINE Vec Broadcast(const Row* p) { return V::Broadcast(p); }
  static AKIN_INLINE Vec Load(const Panel* p) { return V::Load(p); }
  static AKIN_INLINE V MulAddTo(V sum, Vec x, Vec w) { return MulAddBroadcast(x, w, sum); }
  static Panel Encode(float w) { return w; }
  // Of the softmax whose weights are rows.
  static AKIN_INLINE V SoftmaxExp2(V x) { return Exp2(x); }
  static AKIN_INLINE V BoundedExp2(V x) { return Exp2Bounded(x); }
  // kDepth rows of kPanelWidth values -> one step of a panel.
  static AKIN_INLINE void CopyStep(const Row* rows, size_t /*stride*/, Panel* out) {
    for (size_t j = 0; j < kPanelWidth; j += V::kLanes) Store(V::Load(rows + j), out + j);
  }
};

// f32 times weights kept in bf16: half the bytes, and products as exact as f32's. For CPUs without
// bf16 arithmetic.
struct Bf16WeightsProduct : F32Product {
  using Panel = Bf16;
  static AKIN_INLINE Vec Load(const Panel* p) { return LoadBf16(p); }
  static Panel Encode(float w) { return Bf16::From(w); }
};

// Rotated f32 times rotated weights kept in int8 (integers.h).
struct Int8WeightsProduct : F32Product {
  using Panel = int8_t;
  static constexpr OperandKind kOperand = OperandKind::kQuantized;
  static constexpr bool kScaled = true;
  static AKIN_INLINE Vec Load(const Panel* p) { return LoadInt8(p); }
};

// One f32 for each column of a panel.
constexpr size_t kColumnBytes = kPanelWidth * sizeof(float);

// Before a panel's weights: the bias and, where they have one, the scale.
template <typename Product>
constexpr size_t kHeadBytes = kColumnBytes * (Product::kScaled ? 2 : 1);

template <typename Product>
size_t Steps(size_t k) {
  return (k + Product::kDepth - 1) / Product::kDepth;
}

// The head, then [steps][kPanelWidth][kDepth]: what one step reads lies together. Elements past k
// are zero.
template <typename Product>
size_t PackedPanelBytes(size_t k) {
  const size_t elements = Steps<Product>(k) * kPanelWidth * Product::kDepth;
  return RoundUp(kHeadBytes<Product> + elements * sizeof(typename Product::Panel), 64);
}

// No container or algorithm of the standard library in here: see target.h.

// kLanes dwords, each of several steps of a column, to these steps, `stride` bytes apart.
template <size_t kStepBytes>
AKIN_INLINE void DealSteps(const std::byte* dwords, std::byte* out, size_t stride) {
  for (size_t s = 0; s < sizeof(uint32_t) / kStepBytes; ++s)
    for (size_t j = 0; j < V::kLanes; ++j)
      std::memcpy(out + s * stride + j * kStepBytes, dwords + j * sizeof(uint32_t) + s * kStepBytes,
                  kStepBytes);
}

// Encoded rows of k, `stride` apart, to columns j0 to j0 + kLanes of `steps` steps of a panel.
template <typename Product>
void CopyColumns(const typename Product::Panel* encoded, size_t stride, size_t steps, size_t j0,
                 typename Product::Panel* out) {
  using Panel = typename Product::Panel;
  constexpr size_t kDepth = Product::kDepth, kStep = kPanelWidth * kDepth, kLanes = V::kLanes;
  out += j0 * kDepth;
  size_t step = 0;
  // As dwords, each of them one step or several steps of a column.
  constexpr size_t kStepBytes = kDepth * sizeof(Panel), kSteps = sizeof(uint32_t) / kStepBytes;
  for (; step + kSteps * kLanes <= steps; step += kSteps * kLanes) {
    const std::byte* const from = reinterpret_cast<const std::byte*>(encoded + step * kDepth);
    std::byte* const to = reinterpret_cast<std::byte*>(out + step * kStep);
    if constexpr (kSteps == 1) {
      TransposeDwords(from, stride * sizeof(Panel), kLanes - 1, to, kStep * sizeof(Panel));
    } else {
      std::byte columns[kLanes][kLanes * sizeof(uint32_t)];
      TransposeDwords(from, stride * sizeof(Panel), kLanes - 1, columns[0], sizeof columns[0]);
      for (size_t i = 0; i < kLanes; ++i)
        DealSteps<kStepBytes>(columns[i], to + i * kSteps * kStep * sizeof(Panel),
                              kStep * sizeof(Panel));
    }
  }
  for (; step < steps; ++step)
    for (size_t j = 0; j < kLanes; ++j)
      for (size_t d = 0; d < kDepth; ++d)
        out[step * kStep + j * kDepth + d] = encoded[j * stride + step * kDepth + d];
}

template <typename Product>
void PackPanel(MatrixView<const float> rows, std::span<const float> bias, std::byte* panel) {
  // Whole rotations; what is encoded at a time stays in the L1 cache.
  constexpr size_t kBlock = kMaxRotation;
  for (size_t j = 0; j < kPanelWidth; ++j) reinterpret_cast<float*>(panel)[j] = bias[j];
  float* scales = reinterpret_cast<float*>(panel + kColumnBytes);
  if constexpr (Product::kScaled) {
    for (size_t j = 0; j < kPanelWidth; ++j)
      scales[j] = ScaleOfRow(rows.data() + j * rows.stride(), rows.cols());
  }
  auto* out = reinterpret_cast<typename Product::Panel*>(panel + kHeadBytes<Product>);
  const size_t cols = rows.cols(), k_end = Steps<Product>(cols) * Product::kDepth;
  for (size_t k0 = 0; k0 < k_end; k0 += kBlock) {
    const size_t count = k0 + kBlock < cols ? kBlock : cols - k0;
    const size_t steps = Steps<Product>(count);
    for (size_t j0 = 0; j0 < kPanelWidth; j0 += V::kLanes) {
      typename Product::Panel encoded[V::kLanes][kBlock];
      for (size_t j = 0; j < V::kLanes; ++j) {
        const float* row = rows.data() + (j0 + j) * rows.stride() + k0;
        if constexpr (Product::kScaled) {
          EncodeInt8(row, count, RotationOf(cols), scales[j0 + j], encoded[j]);
        } else {
          for (size_t i = 0; i < count; ++i) encoded[j][i] = Product::Encode(row[i]);
        }
        for (size_t i = count; i < steps * Product::kDepth; ++i) encoded[j][i] = {};
      }
      CopyColumns<Product>(encoded[0], kBlock, steps, j0, out + k0 * kPanelWidth);
    }
  }
}

// Rows of input, rotated, in the type that the product reads; whole cache lines.
template <typename Product>
size_t RotatedRowBytes(size_t k) {
  return RoundUp(k * sizeof(typename Product::Row), 64);
}

template <typename Product>
void RotateRows(MatrixView<const float> rows, std::byte* operand) {
  using Row = typename Product::Row;
  const size_t cols = rows.cols(), rotation = RotationOf(cols);
  alignas(64) float block[kMaxRotation];
  for (size_t i = 0; i < rows.rows(); ++i) {
    const float* x = rows.data() + i * rows.stride();
    Row* out = reinterpret_cast<Row*>(operand + i * RotatedRowBytes<Product>(cols));
    for (size_t first = 0; first < cols; first += kMaxRotation) {
      const size_t count = cols - first < kMaxRotation ? cols - first : kMaxRotation;
      RotateValues(x + first, count, rotation, block);
      for (size_t j = 0; j < count; j += V::kLanes) Store(V::Load(block + j), out + first + j);
    }
  }
}

template <Epilogue kEpilogue>
AKIN_INLINE V Finish(V x) {
  if constexpr (kEpilogue == Epilogue::kGelu) return Gelu(x);
  if constexpr (kEpilogue == Epilogue::kGeluTanh) return GeluTanh(x);
  if constexpr (kEpilogue == Epilogue::kRelu) return Max(V::Set(0.0f), x);
  if constexpr (kEpilogue == Epilogue::kSilu) return TimesSigmoid(x, 1.0f);
  if constexpr (kEpilogue == Epilogue::kQuickGelu) return TimesSigmoid(x, 1.702f);
  return x;
}

// Finishes and stores `count` <= kLanes columns of one row.
template <Epilogue kEpilogue, typename T>
AKIN_INLINE void FinishAndStore(V x, T* out, size_t count) {
  if constexpr (kEpilogue == Epilogue::kAdd) {
    x = (count == V::kLanes ? V::Load(out) : V::LoadPartial(out, count)) + x;
  } else {
    x = Finish<kEpilogue>(x);
  }
  if (count == V::kLanes) {
    Store(x, out);
  } else {
    StorePartial(x, out, count);
  }
}

// Sums of a tile on their way to the output: [rows][kPanelWidth], still in the L1 cache.
constexpr size_t kTileFloats = kMaxRows * kPanelWidth;

template <size_t kRows>
AKIN_INLINE void StoreSums(const V (&sum)[kRows][kPanelVecs], const float* bias, float* out) {
#pragma GCC unroll 4
  for (size_t v = 0; v < kPanelVecs; ++v) {
    const V b = V::Load(bias + v * V::kLanes);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) Store(sum[r][v] + b, out + r * kPanelWidth + v * V::kLanes);
  }
}

// Finishes and stores columns [0, width) of a tile.
template <Epilogue kEpilogue, typename T>
void FinishTile(const float* sums, size_t rows, T* c, size_t ldc, size_t width) {
  for (size_t r = 0; r < rows; ++r) {
    for (size_t first = 0; first < width; first += V::kLanes) {
      const size_t count = width - first < V::kLanes ? width - first : V::kLanes;
      FinishAndStore<kEpilogue>(V::Load(sums + r * kPanelWidth + first), c + r * ldc + first,
                                count);
    }
  }
}

// The same of a gated panel, whose tile is [rows][gate | values], each half a panel wide; columns
// [0, width) of the output.
template <Epilogue kEpilogue, typename T>
void FinishGatedTile(const float* sums, size_t rows, T* c, size_t ldc, size_t width) {
  for (size_t r = 0; r < rows; ++r) {
    const float* gate = sums + r * kPanelWidth;
    for (size_t first = 0; first < width; first += V::kLanes) {
      const size_t count = width - first < V::kLanes ? width - first : V::kLanes;
      const V y =
          Finish<kEpilogue>(V::Load(gate + first)) * V::Load(gate + kPanelWidth / 2 + first);
      FinishAndStore<Epilogue::kStore>(y, c + r * ldc + first, count);
    }
  }
}

// sum[r][v] += sum over k of a[r][k] * b[k][v]; `b` is a panel without its bias, of whose columns
// the first kVecs vectors are multiplied; `lda` the row stride of `a` in elements. `next_rows` are
// those of kFetch.
template <typename Product, size_t kRows, Fetch kFetch = Fetch::kNothing, size_t kVecs>
AKIN_INLINE void Accumulate(const typename Product::Row* a, size_t lda,
                            const typename Product::Panel* b, size_t steps,
                            typename Product::Sum (&sum)[kRows][kVecs],
                            const std::byte* next_rows = nullptr) {
  constexpr size_t kVec = V::kLanes * Product::kDepth;
  constexpr size_t kPanelStep = kPanelVecs * kVec * sizeof(typename Product::Panel);
  // Of rows of this height and what is between them.
  constexpr size_t kRowsStep = kRows * Product::kDepth * sizeof(typename Product::Row) + 8;
  for (size_t step = 0; step < steps; ++step) {
    typename Product::Vec panel[kVecs];
#pragma GCC unroll 4
    for (size_t v = 0; v < kVecs; ++v) panel[v] = Product::Load(b + v * kVec);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      const typename Product::Vec x = Product::Broadcast(a + r * lda + step * Product::kDepth);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVecs; ++v) sum[r][v] = Product::MulAddTo(sum[r][v], x, panel[v]);
    }
    if constexpr (kFetch == Fetch::kPanel) {
      for (size_t i = 0; i < kPanelStep; i += kLine)
        AskFor(reinterpret_cast<uintptr_t>(b) + kPanelAheadBytes + i);
    }
    if constexpr (kFetch == Fetch::kNearPanel) {
      for (size_t i = 0; i < kPanelStep; i += kLine)
        AskForNear(reinterpret_cast<uintptr_t>(b) + kNearPanelAheadBytes + i);
    }
    if constexpr (kFetch == Fetch::kRows)
      AskFor(reinterpret_cast<uintptr_t>(next_rows) + step * kRowsStep);
    b += kPanelVecs * kVec;
  }
}

// One tile of a product: kRows rows times one panel, bias added.
template <typename Product>
struct LinearTile {
  static constexpr bool Asks(Fetch) { return true; }

  template <size_t kRows, Fetch kFetch>
  static void Run(const std::byte* a, size_t row_bytes, const std::byte* panel, size_t k,
                  float* out, const std::byte* next_rows) {
    using Row = typename Product::Row;
    V sum[kRows][kPanelVecs] = {};
    Accumulate<Product, kRows, kFetch>(
        reinterpret_cast<const Row*>(a), row_bytes / sizeof(Row),
        reinterpret_cast<const typename Product::Panel*>(panel + kHeadBytes<Product>),
        Steps<Product>(k), sum, next_rows);
    if constexpr (Product::kScaled) {
      const float* scales = reinterpret_cast<const float*>(panel + kColumnBytes);
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (size_t v = 0; v < kPanelVecs; ++v)
          sum[r][v] = sum[r][v] * V::Load(scales + v * V::kLanes);
      }
    }
    StoreSums<kRows>(sum, reinterpret_cast<const float*>(panel), out);
  }
  static size_t PanelBytes(size_t k) { return PackedPanelBytes<Product>(k); }
};

using TileFunction = void (*)(const std::byte* a, size_t row_bytes, const std::byte* panel,
                              size_t k, float* out, const std::byte* next_rows);

template <typename Tile, Fetch kFetch, size_t... kRowsMinusOne>
TileFunction SelectTile(size_t rows, std::index_sequence<kRowsMinusOne...>) {
  // A tile that asks for nothing is compiled once, not once for each that it could ask for.
  constexpr Fetch kUsed = Tile::Asks(kFetch) ? kFetch : Fetch::kNothing;
  static constexpr TileFunction kTiles[] = {Tile::template Run<kRowsMinusOne + 1, kUsed>...};
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

template <typename T>
using FinishFunction = void (*)(const float* sums, size_t rows, T* c, size_t ldc, size_t width);

template <typename Tile, typename T>
void LinearPanels(const LinearArgs& args, FinishFunction<T> finish, MatrixView<T> output) {
  const size_t k = args.linear.k, panel_bytes = Tile::PanelBytes(k);
  const RowTiles row_tiles(args.input.rows);
  const size_t block = kPanelBlockBytes / panel_bytes + 1;
  const size_t columns = args.linear.gated ? kPanelWidth / 2 : kPanelWidth;  // Of a panel's output.
  const bool near = PanelsComeNear();
  alignas(64) float sums[kTileFloats];
  for (size_t p0 = args.first_panel; p0 < args.last_panel; p0 += block) {
    const size_t p1 = p0 + block < args.last_panel ? p0 + block : args.last_panel;
    size_t row = 0;
    for (size_t t = 0; t < row_tiles.tiles; ++t) {
      const size_t rows = row_tiles.Height(t);
      constexpr auto kHeights = std::make_index_sequence<kMaxRows>();
      const TileFunction tile = near     ? SelectTile<Tile, Fetch::kNearPanel>(rows, kHeights)
                                : t == 0 ? SelectTile<Tile, Fetch::kPanel>(rows, kHeights)
                                         : SelectTile<Tile, Fetch::kNothing>(rows, kHeights);
      const TileFunction first_tile = t == 0 || t + 1 == row_tiles.tiles
                                          ? tile
                                          : SelectTile<Tile, Fetch::kRows>(rows, kHeights);
      const std::byte* const a = args.input.data + row * args.input.row_bytes;
      for (size_t p = p0; p < p1; ++p) {
        const size_t first = p * columns;
        const size_t width = args.linear.n - first < columns ? args.linear.n - first : columns;
        T* const c = output.data() + row * output.stride() + first;
        if (row_tiles.tiles > kMostNearTiles) AskForOutput(c, output.stride(), rows, width);
        (p == p0 ? first_tile : tile)(a, args.input.row_bytes, args.linear.panels + p * panel_bytes,
                                      k, sums, a + rows * args.input.row_bytes);
        finish(sums, rows, c, output.stride(), width);
      }
      row += rows;
    }
  }
}

template <Epilogue kEpilogue, typename T>
FinishFunction<T> SelectGated(bool gated) {
  return gated ? FinishGatedTile<kEpilogue, T> : FinishTile<kEpilogue, T>;
}

template <typename T>
FinishFunction<T> SelectFinish(const LinearArgs& args) {
  const bool gated = args.linear.gated;
  switch (args.epilogue) {
    case Epilogue::kStore: return SelectGated<Epilogue::kStore, T>(gated);
    case Epilogue::kGelu: return SelectGated<Epilogue::kGelu, T>(gated);
    case Epilogue::kGeluTanh: return SelectGated<Epilogue::kGeluTanh, T>(gated);
    case Epilogue::kRelu: return SelectGated<Epilogue::kRelu, T>(gated);
    case Epilogue::kSilu: return SelectGated<Epilogue::kSilu, T>(gated);
    case Epilogue::kQuickGelu: return SelectGated<Epilogue::kQuickGelu, T>(gated);
    case Epilogue::kAdd:
      if constexpr (std::is_same_v<T, float>) return FinishTile<Epilogue::kAdd, T>;
  }
  return nullptr;
}

template <typename Tile>
void LinearF32(const LinearArgs& args) {
  LinearPanels<Tile>(args, SelectFinish<float>(args), args.output.f32);
}

// The table's entries for a product.
template <typename Product>
LinearKernels LinearKernelsFor() {
  LinearKernels kernels{.operand = Product::kOperand,
                        .panel_width = kPanelWidth,
                        .panel_bytes = PackedPanelBytes<Product>,
                        .pack_panel = PackPanel<Product>,
                        .linear = LinearF32<LinearTile<Product>>};
  if constexpr (Product::kScaled) {
    kernels.operand_bytes = RotatedRowBytes<Product>;
    kernels.quantize_rows = RotateRows<Product>;
  }
  return kernels;
}

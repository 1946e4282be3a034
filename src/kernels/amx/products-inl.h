// What is multiplied on tiles: how rows and weights of each precision lie for them, and the sums of
// a block of up to 32 rows with panels of 32 columns, in tile registers. A tile multiplies each of
// its rows by itself and in the order of k, so a row's sums do not depend on how many rows there
// are, nor on where their way from the first k to the last is interrupted: tiles are stored and
// loaded exactly. How a panel is packed and what its sums go through is a Product:
//   PanelBytes, PackPanel  as in the table
//   Depth                  of the tiles of k
//   NumSteps, StepBytes    the steps that k is walked in, and what one reads of a row
//   Run<kBlock>            some steps of a block's sums with one panel, of a flat block with two
// Included after tiles.h.
#pragma once

#include "kernels/generic/linear-inl.h"

// Sums of one panel on their way to the output.
constexpr size_t kBlockFloats = kMaxBlockRows * kPanelWidth;
static_assert(kPanelWidth == 2 * kTileColumns);

// Brings the panels that are read after all blocks of rows to the L2 cache, two lines at a step of
// k. Where it was measured, on another program for the same machine, that gained a tenth, and four
// lines less.
class Prefetcher {
 public:
  Prefetcher(const std::byte* first, const std::byte* end) : next_(first), end_(end) {}
  AKIN_INLINE void Step() {
    if (next_ >= end_) return;
    _mm_prefetch(reinterpret_cast<const char*>(next_), _MM_HINT_T1);
    _mm_prefetch(reinterpret_cast<const char*>(next_ + 64), _MM_HINT_T1);
    next_ += 128;
  }

 private:
  const std::byte* next_;
  const std::byte* end_;
};

// Steps of k, one after the other: all of them, or a part.
struct StepRange {
  size_t first, last;
};

// A block's rows, its panels and where their sums go.
struct TileArgs {
  TileRows rows;
  size_t num_rows;
  const std::byte* panels[2];  // The second one of a flat block only.
  size_t k;
  StepRange steps;
  // [num_rows, kPanelWidth] of each panel: what the steps before have left, if there are any, and
  // what these leave.
  float* sums[2];
  Prefetcher& prefetcher;
};

// What the sums of each column begin with [kPanelWidth], loaded as every row of the tiles.
template <TileBlock kBlock>
AKIN_INLINE void StartSums(const std::byte* first, const std::byte* second) {
  TileLoad<0>(first, 0);
  TileLoad<1>(first + kTileRowBytes, 0);
  if constexpr (kBlock == TileBlock::kHalf) return;
  const std::byte* const right = kBlock == TileBlock::kTall ? first : second;
  TileLoad<2>(right, 0);
  TileLoad<3>(right + kTileRowBytes, 0);
}

template <TileBlock kBlock>
AKIN_INLINE void LoadSums(const TileArgs& args) {
  LoadSums<kBlock>(args.sums[0], args.sums[1], kPanelWidth * sizeof(float));
}
template <TileBlock kBlock>
AKIN_INLINE void StoreSums(const TileArgs& args) {
  StoreSums<kBlock>(args.sums[0], args.sums[1], kPanelWidth * sizeof(float));
}

// Before the first step it is the bias, with which the panels begin.
template <TileBlock kBlock>
AKIN_INLINE void StartOrLoadSums(const TileArgs& args) {
  if (args.steps.first == 0) {
    StartSums<kBlock>(args.panels[0], args.panels[1]);
  } else {
    LoadSums<kBlock>(args);
  }
}

size_t Pairs(size_t k) { return (k + 1) / 2; }

// Where the pairs of k of one column of weights stand in its tiles, one after the other.
class PairWalk {
 public:
  // The tiles of one column of tiles begin `step_bytes` apart; `first` is the place of pair 0.
  PairWalk(const TileDepth& depth, size_t row_bytes, size_t step_bytes, size_t first)
      : depth_(depth.depth),
        row_bytes_(row_bytes),
        step_bytes_(step_bytes),
        tile_(first),
        at_(first) {}

  size_t at() const { return at_; }
  void Next() {
    at_ += row_bytes_;
    if (++row_ < depth_) return;
    row_ = 0;
    at_ = tile_ += step_bytes_;
  }

 private:
  size_t depth_, row_bytes_, step_bytes_;
  size_t tile_, at_, row_ = 0;
};

// That of column j of a panel, for tiles in bf16 of which a step of k has step_tiles: two columns
// of tiles, perhaps in two parts.
PairWalk WalkBf16(const TileDepth& depth, size_t step_tiles, size_t j) {
  const size_t tile = depth.depth * kTileRowBytes;
  return PairWalk(depth, kTileRowBytes, step_tiles * tile,
                  j / kTileColumns * tile + j % kTileColumns * 4);
}

void ZeroPanel(std::byte* panel, size_t bytes) { std::memset(panel, 0, bytes); }

void CopyBias(std::span<const float> bias, std::byte* panel) {
  for (size_t j = 0; j < kPanelWidth; ++j) reinterpret_cast<float*>(panel)[j] = bias[j];
}

// bf16 x bf16. Panel: bias, then for each tile of k the two columns' tiles.
struct Bf16TileProduct {
  static constexpr size_t kHead = kColumnBytes;

  static TileDepth Depth(size_t k) { return TileDepth(Pairs(k)); }
  static size_t NumSteps(size_t k) { return Depth(k).count; }
  static size_t StepBytes(size_t k) { return Depth(k).depth * 4; }
  static size_t PanelBytes(size_t k) { return kHead + 2 * Pairs(k) * kTileRowBytes; }

  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel) {
    const size_t k = rows.cols();
    const TileDepth depth = Depth(k);
    ZeroPanel(panel, PanelBytes(k));
    CopyBias(bias, panel);
    for (size_t j = 0; j < kPanelWidth; ++j) {
      const float* row = rows.data() + j * rows.stride();
      PairWalk walk = WalkBf16(depth, 2, j);
      for (size_t i = 0; i < k; ++i) {
        reinterpret_cast<Bf16*>(panel + kHead + walk.at())[i % 2] = Bf16::From(row[i]);
        if (i % 2 == 1) walk.Next();
      }
    }
  }

  template <TileBlock kBlock>
  static void Run(const TileArgs& args) {
    const TileDepth depth = Depth(args.k);
    const size_t tile = depth.depth * kTileRowBytes;
    const TileColumns columns{args.panels[0] + kHead, args.panels[1] + kHead, tile, kTileRowBytes};
    StartOrLoadSums<kBlock>(args);
    for (size_t step = args.steps.first; step < args.steps.last; ++step) {
      MultiplyTiles<kBlock, MultiplyBf16>(args.rows, step * depth.depth * 4, columns,
                                          step * 2 * tile);
      args.prefetcher.Step();
    }
    StoreSums<kBlock>(args);
  }
};

// x = high + low with two bf16 parts, x w = low high + high high + high low (scalar/products.h). A
// row is its high parts to whole lines, then its low parts; a panel has the bias, then for each
// tile of k the two columns' high parts, then their low ones.
struct Bf16x3TileProduct {
  static constexpr size_t kHead = kColumnBytes;

  static TileDepth Depth(size_t k) { return TileDepth(Pairs(k)); }
  static size_t NumSteps(size_t k) { return Depth(k).count; }
  static size_t StepBytes(size_t k) { return 2 * Depth(k).depth * 4; }
  static size_t PanelBytes(size_t k) { return kHead + 4 * Pairs(k) * kTileRowBytes; }
  static size_t PartBytes(size_t k) { return RoundUp(k * sizeof(Bf16), 64); }
  static size_t RowBytes(size_t k) { return 2 * PartBytes(k); }

  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel) {
    const size_t k = rows.cols();
    const TileDepth depth = Depth(k);
    const size_t tile = depth.depth * kTileRowBytes;
    ZeroPanel(panel, PanelBytes(k));
    CopyBias(bias, panel);
    for (size_t j = 0; j < kPanelWidth; ++j) {
      const float* row = rows.data() + j * rows.stride();
      PairWalk walk = WalkBf16(depth, 4, j);
      for (size_t i = 0; i < k; ++i) {
        const Bf16 high = Bf16::From(row[i]);
        std::byte* const at = panel + kHead + walk.at();
        reinterpret_cast<Bf16*>(at)[i % 2] = high;
        reinterpret_cast<Bf16*>(at + 2 * tile)[i % 2] = Bf16::From(row[i] - high.ToFloat());
        if (i % 2 == 1) walk.Next();
      }
    }
  }

  static void SplitRows(MatrixView<const float> rows, std::byte* operand) {
    const size_t k = rows.cols();
    for (size_t i = 0; i < rows.rows(); ++i) {
      const float* x = rows.data() + i * rows.stride();
      Bf16* const high = reinterpret_cast<Bf16*>(operand + i * RowBytes(k));
      Bf16* const low = high + PartBytes(k) / sizeof(Bf16);
      // Whole vectors: each part ends with zeros, to which lines belong.
      for (size_t j = 0; j < PartBytes(k) / sizeof(Bf16); j += V::kLanes) {
        const size_t count = j < k ? (k - j < V::kLanes ? k - j : V::kLanes) : 0;
        const V v = count == V::kLanes ? V::Load(x + j) : V::LoadPartial(x + j, count);
        Store(v, high + j);
        Store(v - LoadBf16(high + j), low + j);
      }
    }
  }

  template <TileBlock kBlock>
  static void Run(const TileArgs& args) {
    const TileDepth depth = Depth(args.k);
    const size_t tile = depth.depth * kTileRowBytes;
    const std::byte* const panel = args.panels[0] + kHead;
    const std::byte* const second = args.panels[1] + kHead;
    StartOrLoadSums<kBlock>(args);
    for (size_t step = args.steps.first; step < args.steps.last; ++step) {
      const std::byte* const high = args.rows.data + step * depth.depth * 4;
      const std::byte* const low = high + PartBytes(args.k);
      const size_t row_bytes = args.rows.row_bytes, weights = step * 4 * tile;
      if constexpr (kBlock == TileBlock::kTall) {
        MultiplyTall(high, low, row_bytes, panel + weights, tile);
      } else {
        TileLoad<kA0>(low, row_bytes);
        TileLoad<kA1>(high, row_bytes);
        MultiplyFlat<0>(panel + weights, tile);
        if constexpr (kBlock == TileBlock::kFlat) MultiplyFlat<2>(second + weights, tile);
      }
      args.prefetcher.Step();
    }
    StoreSums<kBlock>(args);
  }

  static AKIN_INLINE void MultiplyTall(const std::byte* high, const std::byte* low,
                                       size_t row_bytes, const std::byte* weights, size_t tile) {
    TileLoad<kA0>(low, row_bytes);
    TileLoad<kA1>(low + kTileRows * row_bytes, row_bytes);
    TileStream<kB0>(weights, kTileRowBytes);
    TileStream<kB1>(weights + tile, kTileRowBytes);
    MultiplyAll();
    TileLoad<kA0>(high, row_bytes);
    TileLoad<kA1>(high + kTileRows * row_bytes, row_bytes);
    MultiplyAll();
    TileStream<kB0>(weights + 2 * tile, kTileRowBytes);
    TileStream<kB1>(weights + 3 * tile, kTileRowBytes);
    MultiplyAll();
  }
  static AKIN_INLINE void MultiplyAll() {
    MultiplyBf16::Run<0, kA0, kB0>();
    MultiplyBf16::Run<2, kA1, kB0>();
    MultiplyBf16::Run<1, kA0, kB1>();
    MultiplyBf16::Run<3, kA1, kB1>();
  }

  // The low parts of the rows are in kA0, their high ones in kA1.
  template <int kSum>
  static AKIN_INLINE void MultiplyFlat(const std::byte* weights, size_t tile) {
    TileStream<kB0>(weights, kTileRowBytes);
    TileStream<kB1>(weights + tile, kTileRowBytes);
    MultiplyBf16::Run<kSum, kA0, kB0>();
    MultiplyBf16::Run<kSum + 1, kA0, kB1>();
    MultiplyBf16::Run<kSum, kA1, kB0>();
    MultiplyBf16::Run<kSum + 1, kA1, kB1>();
    TileStream<kB0>(weights + 2 * tile, kTileRowBytes);
    TileStream<kB1>(weights + 3 * tile, kTileRowBytes);
    MultiplyBf16::Run<kSum, kA1, kB0>();
    MultiplyBf16::Run<kSum + 1, kA1, kB1>();
  }
};

// Rotated rows in bf16 x rotated weights in int8 (integers.h), widened to bf16, which holds them
// exactly, two steps of k before they are multiplied. Panel: bias, a scale for each column, then
// for each tile of k the two columns' tiles, a byte an element.
struct W8TileProduct {
  using Row = Bf16;  // As RotateRows reads it.
  static constexpr size_t kHead = 2 * kColumnBytes;
  static constexpr size_t kSlots = 4, kAhead = 2;

  static TileDepth Depth(size_t k) { return TileDepth(Pairs(k)); }
  static size_t NumSteps(size_t k) { return Depth(k).count; }
  static size_t StepBytes(size_t k) { return Depth(k).depth * 4; }
  static size_t PanelBytes(size_t k) { return kHead + Pairs(k) * kTileRowBytes; }

  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel) {
    const size_t k = rows.cols(), rotation = RotationOf(k);
    const TileDepth depth = Depth(k);
    ZeroPanel(panel, PanelBytes(k));
    CopyBias(bias, panel);
    float* const scales = reinterpret_cast<float*>(panel + kColumnBytes);
    std::byte* const weights = panel + kHead;
    for (size_t j = 0; j < kPanelWidth; ++j) {
      const float* const row = rows.data() + j * rows.stride();
      scales[j] = ScaleOfRow(row, k);
      const size_t half_tile = depth.depth * kTileRowBytes / 2;  // A byte an element.
      PairWalk walk(depth, kTileRowBytes / 2, 2 * half_tile,
                    j / kTileColumns * half_tile + j % kTileColumns * 2);
      for (size_t first = 0; first < k; first += IntegerShape::kMaxGroup) {
        const size_t count =
            k - first < IntegerShape::kMaxGroup ? k - first : IntegerShape::kMaxGroup;
        int8_t quantized[IntegerShape::kMaxGroup + 1];
        EncodeInt8(row + first, count, rotation, scales[j], quantized);
        quantized[count] = 0;
        for (size_t i = 0; i < count; i += 2, walk.Next())
          std::memcpy(weights + walk.at(), quantized + i, 2);
      }
    }
  }

  template <TileBlock kBlock>
  static void Run(const TileArgs& args) {
    constexpr size_t kPanels = kBlock == TileBlock::kFlat ? 2 : 1;
    alignas(64) Bf16 ring[kSlots][kPanels][2 * kMaxDepth * kPanelWidth];
    const TileDepth depth = Depth(args.k);
    const size_t tile = depth.depth * kTileRowBytes;
    const auto widen = [&](size_t step) {
      for (size_t p = 0; p < kPanels; ++p)
        Widen(args.panels[p] + kHead + step * tile, tile, ring[step % kSlots][p]);
    };
    const auto [first, last] = args.steps;
    if (first == 0) {
      ZeroSums<kBlock>();
    } else {
      LoadSums<kBlock>(args);
    }
    for (size_t step = first; step < first + kAhead && step < last; ++step) widen(step);
    for (size_t step = first; step < last; ++step) {
      if (step + kAhead < last) widen(step + kAhead);
      const auto& slot = ring[step % kSlots];
      const TileColumns columns{reinterpret_cast<const std::byte*>(slot[0]),
                                reinterpret_cast<const std::byte*>(slot[kPanels - 1]), tile,
                                kTileRowBytes};
      MultiplyTiles<kBlock, MultiplyBf16>(args.rows, step * depth.depth * 4, columns, 0);
    }
    StoreSums<kBlock>(args);
    if (last < depth.count) return;
    for (size_t p = 0; p < kPanels; ++p) Scale(args.panels[p], args.num_rows, args.sums[p]);
  }

  // `count` weights, a multiple of 32.
  static AKIN_INLINE void Widen(const std::byte* weights, size_t count, Bf16* out) {
    const int8_t* from = reinterpret_cast<const int8_t*>(weights);
    for (size_t i = 0; i < count; i += 2 * V::kLanes) {
      const __m512bh pairs =
          _mm512_cvtne2ps_pbh(LoadInt8(from + i + V::kLanes).v, LoadInt8(from + i).v);
      _mm512_store_si512(out + i, reinterpret_cast<__m512i>(pairs));
    }
  }

  static AKIN_INLINE void Scale(const std::byte* panel, size_t rows, float* sums) {
    const float* bias = reinterpret_cast<const float*>(panel);
    const float* scales = reinterpret_cast<const float*>(panel + kColumnBytes);
    for (size_t v = 0; v < kPanelWidth; v += V::kLanes) {
      const V b = V::Load(bias + v), scale = V::Load(scales + v);
      for (size_t r = 0; r < rows; ++r) {
        float* const sum = sums + r * kPanelWidth + v;
        Store(MulAdd(V::Load(sum), scale, b), sum);
      }
    }
  }
};

// int8 x int8 by groups of k (integers.h). Rows are the ones of VNNI: unsigned, 128 above their
// value. Panel: bias, then for each group and column a scale and what the sums begin with to take
// that away, and for each tile of k the two columns' tiles.
struct Int8TileProduct {
  static constexpr size_t kTileK = 64;  // Bytes of a tile's row.
  static constexpr size_t kTile = kTileRows * kTileRowBytes;

  static TileDepth Depth(size_t /*k*/) { return TileDepth(kMaxDepth); }
  static size_t NumSteps(size_t k) { return IntegerShape(k).groups; }
  static size_t StepBytes(size_t k) { return IntegerShape(k).group; }
  static size_t GroupTiles(size_t length) { return (length + kTileK - 1) / kTileK; }
  static constexpr size_t kGroupHead = 2 * kColumnBytes;
  static size_t GroupBytes(size_t length) { return kGroupHead + 2 * GroupTiles(length) * kTile; }
  static size_t PanelBytes(size_t k) {
    const IntegerShape shape(k);
    size_t bytes = kColumnBytes;
    for (size_t g = 0; g < shape.groups; ++g) bytes += GroupBytes(shape.length(g));
    return bytes;
  }

  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel) {
    const IntegerShape shape(rows.cols());
    CopyBias(bias, panel);
    std::byte* group = panel + kColumnBytes;
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      for (size_t j0 = 0; j0 < kPanelWidth; j0 += kTileColumns)
        PackColumns(rows, g * shape.group, length, shape.rotation, j0, group);
      group += GroupBytes(length);
    }
  }

  // Columns j0 to j0 + 16 of the group of weights k0 to k0 + length.
  static void PackColumns(MatrixView<const float> rows, size_t k0, size_t length, size_t rotation,
                          size_t j0, std::byte* group) {
    int8_t encoded[kTileColumns][IntegerShape::kMaxGroup];
    const size_t tiles = GroupTiles(length);
    for (size_t j = 0; j < kTileColumns; ++j) {
      const float* const row = rows.data() + (j0 + j) * rows.stride() + k0;
      reinterpret_cast<float*>(group)[j0 + j] =
          EncodeGroup(row, length, tiles * kTileK, rotation, encoded[j]);
      reinterpret_cast<int32_t*>(group + kColumnBytes)[j0 + j] =
          -int32_t{IntegerShape::kZero} * SumOf(encoded[j], length);
    }
    static_assert(V::kLanes == kTileColumns && V::kLanes == kTileRows);
    std::byte* out = group + kGroupHead + j0 / kTileColumns * kTile;
    for (size_t t = 0; t < tiles; ++t, out += 2 * kTile)
      TransposeDwords(reinterpret_cast<const std::byte*>(encoded[0] + t * kTileK),
                      IntegerShape::kMaxGroup, kTileColumns - 1, out, kTileRowBytes);
  }

  template <TileBlock kBlock>
  static void Run(const TileArgs& args) {
    constexpr size_t kPanels = kBlock == TileBlock::kFlat ? 2 : 1;
    alignas(64) int32_t products[kPanels][kBlockFloats];
    const IntegerShape shape(args.k);
    if (args.steps.first == 0) {
      for (size_t p = 0; p < kPanels; ++p)
        StartWithBias(args.panels[p], args.num_rows, args.sums[p]);
    }
    // In a panel; only the last one is shorter.
    size_t group = kColumnBytes + args.steps.first * GroupBytes(shape.group);
    for (size_t g = args.steps.first; g < args.steps.last; ++g) {
      const size_t tiles = GroupTiles(shape.length(g)), weights = group + kGroupHead;
      const TileColumns columns{args.panels[0] + weights, args.panels[1] + weights, kTile,
                                kTileRowBytes};
      StartSums<kBlock>(args.panels[0] + group + kColumnBytes,
                        args.panels[1] + group + kColumnBytes);
      for (size_t step = 0; step < tiles; ++step) {
        MultiplyTiles<kBlock, MultiplyInt8>(args.rows, g * shape.group + step * kTileK, columns,
                                            step * 2 * kTile);
        args.prefetcher.Step();
      }
      StoreSums<kBlock>(products[0], products[kPanels - 1], kPanelWidth * sizeof(float));
      for (size_t p = 0; p < kPanels; ++p) {
        AddScaled(products[p], reinterpret_cast<const float*>(args.panels[p] + group),
                  args.rows.data + shape.scales_offset() + g * sizeof(float), args.rows.row_bytes,
                  args.num_rows, args.sums[p]);
      }
      group += GroupBytes(shape.length(g));
    }
  }

  static AKIN_INLINE void StartWithBias(const std::byte* panel, size_t rows, float* sums) {
    const float* bias = reinterpret_cast<const float*>(panel);
    for (size_t i = 0; i < rows * kPanelWidth; i += V::kLanes)
      Store(V::Load(bias + i % kPanelWidth), sums + i);
  }

  // sums += products * the columns' scales * the rows' scales.
  static AKIN_INLINE void AddScaled(const int32_t* products, const float* scales,
                                    const std::byte* row_scales, size_t row_bytes, size_t rows,
                                    float* sums) {
    for (size_t r = 0; r < rows; ++r) {
      const V row_scale = V::Set(*reinterpret_cast<const float*>(row_scales + r * row_bytes));
      for (size_t v = 0; v < kPanelWidth; v += V::kLanes) {
        const size_t i = r * kPanelWidth + v;
        const V product = {_mm512_cvtepi32_ps(_mm512_load_si512(products + i))};
        Store(MulAdd(product * V::Load(scales + v), row_scale, V::Load(sums + i)), sums + i);
      }
    }
  }
};

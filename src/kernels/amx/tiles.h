// AMX's tile registers (Intel SDM volume 1, chapter 18): eight of up to 16 rows of 64 bytes, whose
// shapes stand in a configuration that each thread loads. Included inside the tier's anonymous
// namespace.
//
// Written as assembly: of the headers of GCC 12, _tile_loadconfig names 8 of the 64 bytes that it
// reads and _tile_loadd none, so that stores before them may move or vanish.
#pragma once

constexpr size_t kTileRows = 16;
constexpr size_t kTileRowBytes = 64;
constexpr size_t kTileColumns = kTileRowBytes / sizeof(float);  // Of sums.
constexpr size_t kMaxDepth = 16;                                // Dwords of k in a tile.

// Every product uses the registers alike: four tiles of sums, two of A (rows of input), two of B
// (weights). A block of rows is tall (two tiles of A, each with two columns of tiles), flat (at
// most 16 rows: one tile of A with four columns of tiles) or, where two of those are left, half.
// Each B is streamed, each A stays in the L1 cache: B is loaded so that it does not evict A
// (TILELOADDT1).
constexpr int kA0 = 4, kA1 = 5, kB0 = 6, kB1 = 7;
enum class TileBlock { kTall, kFlat, kHalf };
constexpr size_t kMaxBlockRows = 2 * kTileRows;

template <int kTile>
AKIN_INLINE void TileZero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(kTile));
}
template <int kTile>
AKIN_INLINE void TileLoad(const std::byte* rows, size_t row_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
               :
               : "r"(rows), "r"(row_bytes), "i"(kTile)
               : "memory");
}
template <int kTile>
AKIN_INLINE void TileStream(const std::byte* rows, size_t row_bytes) {
  asm volatile("tileloaddt1 (%0,%1,1), %%tmm%c2"
               :
               : "r"(rows), "r"(row_bytes), "i"(kTile)
               : "memory");
}
template <int kTile>
AKIN_INLINE void TileStore(void* rows, size_t row_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
               :
               : "r"(rows), "r"(row_bytes), "i"(kTile)
               : "memory");
}

// Sums in f32 of pairs of bf16. Denormals count as zero, whatever the thread's settings.
struct MultiplyBf16 {
  template <int kSum, int kA, int kB>
  static AKIN_INLINE void Run() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
  }
};

// Sums in int32 of fours of bytes: unsigned ones of A, signed ones of B.
struct MultiplyInt8 {
  template <int kSum, int kA, int kB>
  static AKIN_INLINE void Run() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
  }
};

// This thread's tile configuration while a kernel runs. It is released at the end of every kernel:
// a thread that keeps tiles carries 8 KiB more through every task switch, and the thread may be the
// caller's own. Loading it costs some tens of nanoseconds.
class Tiles {
 public:
  Tiles() = default;
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
  ~Tiles() {
    if (rows_ != 0) asm volatile("tilerelease");
  }

  // For blocks of `rows` <= kMaxBlockRows rows and tiles of `depth` dwords of k. What the tiles
  // held is lost if they had another shape.
  void Configure(size_t rows, size_t depth) {
    if (rows == rows_ && depth == depth_) return;
    rows_ = rows;
    depth_ = depth;
    const size_t top = rows < kTileRows ? rows : kTileRows;
    const size_t bottom = rows > kTileRows ? rows - kTileRows : top;
    Configuration config;
    for (int sum = 0; sum < 4; ++sum) config.Set(sum, sum < 2 ? top : bottom, kTileRowBytes);
    config.Set(kA0, top, depth * 4);
    config.Set(kA1, bottom, depth * 4);
    config.Set(kB0, depth, kTileRowBytes);
    config.Set(kB1, depth, kTileRowBytes);
    asm volatile("ldtilecfg %0" : : "m"(config));
  }

 private:
  struct alignas(64) Configuration {
    void Set(int tile, size_t tile_rows, size_t tile_row_bytes) {
      rows[tile] = static_cast<uint8_t>(tile_rows);
      row_bytes[tile] = static_cast<uint16_t>(tile_row_bytes);
    }
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  };
  static_assert(sizeof(Configuration) == 64);

  size_t rows_ = 0, depth_ = 0;
};

// The sums of a flat block have the rows of the top in all four tiles, which is what Configure
// gives them.
template <TileBlock kBlock>
AKIN_INLINE void ZeroSums() {
  TileZero<0>();
  TileZero<1>();
  if constexpr (kBlock != TileBlock::kHalf) {
    TileZero<2>();
    TileZero<3>();
  }
}

// Where sums go and come back from: [rows][kPanelWidth] of the first panel and, of a flat block, of
// the second one.
template <TileBlock kBlock>
AKIN_INLINE void LoadSums(const void* first, const void* second, size_t row_bytes) {
  const std::byte* const left = static_cast<const std::byte*>(first);
  TileLoad<0>(left, row_bytes);
  TileLoad<1>(left + kTileRowBytes, row_bytes);
  if constexpr (kBlock == TileBlock::kHalf) return;
  const std::byte* const right = kBlock == TileBlock::kTall ? left + kTileRows * row_bytes
                                                            : static_cast<const std::byte*>(second);
  TileLoad<2>(right, row_bytes);
  TileLoad<3>(right + kTileRowBytes, row_bytes);
}
template <TileBlock kBlock>
AKIN_INLINE void StoreSums(void* first, void* second, size_t row_bytes) {
  std::byte* const left = static_cast<std::byte*>(first);
  TileStore<0>(left, row_bytes);
  TileStore<1>(left + kTileRowBytes, row_bytes);
  if constexpr (kBlock == TileBlock::kHalf) return;
  std::byte* const right =
      kBlock == TileBlock::kTall ? left + kTileRows * row_bytes : static_cast<std::byte*>(second);
  TileStore<2>(right, row_bytes);
  TileStore<3>(right + kTileRowBytes, row_bytes);
}

// Rows of input, at the first k.
struct TileRows {
  const std::byte* data;
  size_t row_bytes;
};

// Two columns of B tiles of one panel, and of a second one in a flat block, at the first k. A
// tile's rows are row_bytes apart, its right neighbour begins `right` after it.
struct TileColumns {
  const std::byte* panel;
  const std::byte* second_panel;
  size_t right;
  size_t row_bytes;
};

// sums += A x B over one tile of k.
template <TileBlock kBlock, typename Multiply>
AKIN_INLINE void MultiplyTiles(const TileRows& a, size_t a_offset, const TileColumns& b,
                               size_t b_offset) {
  const std::byte* const rows = a.data + a_offset;
  const std::byte* const left = b.panel + b_offset;
  TileLoad<kA0>(rows, a.row_bytes);
  if constexpr (kBlock == TileBlock::kTall)
    TileLoad<kA1>(rows + kTileRows * a.row_bytes, a.row_bytes);
  TileStream<kB0>(left, b.row_bytes);
  Multiply::template Run<0, kA0, kB0>();
  if constexpr (kBlock == TileBlock::kTall) Multiply::template Run<2, kA1, kB0>();
  TileStream<kB1>(left + b.right, b.row_bytes);
  Multiply::template Run<1, kA0, kB1>();
  if constexpr (kBlock == TileBlock::kTall) Multiply::template Run<3, kA1, kB1>();
  if constexpr (kBlock == TileBlock::kFlat) {
    const std::byte* const second = b.second_panel + b_offset;
    TileStream<kB0>(second, b.row_bytes);
    Multiply::template Run<2, kA0, kB0>();
    TileStream<kB1>(second + b.right, b.row_bytes);
    Multiply::template Run<3, kA0, kB1>();
  }
}

// How k is cut into tiles: `count` of them, each `depth` dwords deep. Equal ones, so that no tile
// reads past a row; a depth of which no number near 16 is a divisor (twice a large prime) takes
// many shallow ones.
struct TileDepth {
  // `dwords` > 0: of k, pairs of bf16.
  explicit TileDepth(size_t dwords) : count((dwords + kMaxDepth - 1) / kMaxDepth) {
    while (dwords % count != 0) ++count;
    depth = dwords / count;
  }
  size_t count;
  size_t depth = 0;
};

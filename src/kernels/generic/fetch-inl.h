// What a product over packed panels brings to the caches ahead of its use: advice that changes no
// value. Included by linear-inl.h, within each tier's target region and anonymous namespace.
#pragma once

// What a tile asks the caches for while it multiplies. CPUs do not bring it in time by themselves,
// the less the more rows a tile reads beside its panel (docs/design/003-one-micro-kernel.md).
enum class Fetch {
  kNothing,
  // Its panel, further on, to the L2 cache: the first tile of rows, whose panels are in the L3
  // cache or in memory.
  kPanel,
  kNearPanel,  // To the L1 cache, where that has the room (near_panels.h): every tile.
  kRows,       // The rows of the next tile, once for a block of panels.
};

// 4 KiB are too near for the L2 cache where rows are few.
constexpr size_t kPanelAheadBytes = 8192;
constexpr size_t kNearPanelAheadBytes = 4096;
constexpr size_t kLine = 64;

// Only advice: there need not be memory of ours.
AKIN_INLINE void AskFor(uintptr_t address) {
  __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 2);
}
AKIN_INLINE void AskForNear(uintptr_t address) {
  __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 3);
}

// More tiles of rows than these write so much that it has left the L2 cache since it was last used.
constexpr size_t kMostNearTiles = 4;

// Brings the output of a tile to the L1 cache, to be written there.
template <typename T>
AKIN_INLINE void AskForOutput(const T* c, size_t ldc, size_t rows, size_t width) {
  for (size_t r = 0; r < rows; ++r) {
    const char* row = reinterpret_cast<const char*>(c + r * ldc);
    for (size_t i = 0; i < width * sizeof(T); i += kLine) __builtin_prefetch(row + i, 1, 3);
  }
}

// Rows [first, first + count) of what a head reads, as far as it has them. (GCC drops a call of a
// function that does nothing but ask.)
template <typename T>
AKIN_INLINE void AskForHead(const HeadRows<T>& head, size_t first, size_t count) {
  for (const MatrixView<const T>& part : {head.query, head.key, head.value}) {
    for (size_t i = first; i < first + count && i < part.rows(); ++i) {
      const auto row = reinterpret_cast<uintptr_t>(part.row(i).data());
      for (size_t b = 0; b < part.cols() * sizeof(T); b += kLine) AskFor(row + b);
    }
  }
}

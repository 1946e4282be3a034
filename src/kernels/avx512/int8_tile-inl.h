// The tile of int8 products with VNNI: each step multiplies four bytes of a row with four of each
// column and adds to int32. Rows are unsigned, 128 above their value; a panel starts its sums with
// -128 times the column's sum to take that away. Included after vec.h.
#pragma once

#include "kernels/generic/linear-inl.h"

constexpr size_t kInt8Depth = 4;  // Bytes of k in a step.

size_t GroupSteps(size_t length) { return (length + kInt8Depth - 1) / kInt8Depth; }

// A group in a panel: a scale for each column, the start of its sums, then [steps][kPanelWidth][4].
constexpr size_t kGroupHeadBytes = 2 * kColumnBytes;
size_t GroupBytes(size_t length) {
  return kGroupHeadBytes + GroupSteps(length) * kPanelWidth * kInt8Depth;
}

size_t Int8PanelBytes(size_t k) {
  const Int8Shape shape(k);
  size_t bytes = kColumnBytes;
  for (size_t g = 0; g < shape.groups; ++g) bytes += GroupBytes(shape.length(g));
  return bytes;
}

struct Int8Tile {
  static size_t PanelBytes(size_t k) { return Int8PanelBytes(k); }

  // sum[r][v] += the group's integer sums, scaled.
  template <size_t kRows>
  static AKIN_INLINE void AddGroup(const uint8_t* a, size_t row_bytes, const float* row_scales,
                                   const std::byte* group, size_t steps,
                                   V (&sum)[kRows][kPanelVecs]) {
    __m512i acc[kRows][kPanelVecs];
    const std::byte* start = group + kColumnBytes;
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (size_t v = 0; v < kPanelVecs; ++v) acc[r][v] = _mm512_loadu_si512(start + v * 64);
    }
    const std::byte* weights = group + kGroupHeadBytes;
    for (size_t step = 0; step < steps; ++step) {
      __m512i panel[kPanelVecs];
#pragma GCC unroll 2
      for (size_t v = 0; v < kPanelVecs; ++v) panel[v] = _mm512_loadu_si512(weights + v * 64);
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
        int32_t four;
        std::memcpy(&four, a + r * row_bytes + step * kInt8Depth, sizeof four);
        const __m512i x = _mm512_set1_epi32(four);
#pragma GCC unroll 2
        for (size_t v = 0; v < kPanelVecs; ++v)
          acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], x, panel[v]);
      }
      weights += kPanelWidth * kInt8Depth;
    }
    const float* scales = reinterpret_cast<const float*>(group);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      const V row_scale = V::Set(*reinterpret_cast<const float*>(
          reinterpret_cast<const std::byte*>(row_scales) + r * row_bytes));
#pragma GCC unroll 2
      for (size_t v = 0; v < kPanelVecs; ++v) {
        const V products = {_mm512_cvtepi32_ps(acc[r][v])};
        sum[r][v] = MulAdd(products * V::Load(scales + v * V::kLanes), row_scale, sum[r][v]);
      }
    }
  }

  template <size_t kRows>
  static void Run(const std::byte* a, size_t row_bytes, const std::byte* panel, size_t k,
                  float* out) {
    const Int8Shape shape(k);
    V sum[kRows][kPanelVecs] = {};
    const std::byte* group = panel + kColumnBytes;
    const float* row_scales = reinterpret_cast<const float*>(a + shape.scales_offset());
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      AddGroup<kRows>(reinterpret_cast<const uint8_t*>(a) + g * shape.group, row_bytes,
                      row_scales + g, group, GroupSteps(length), sum);
      group += GroupBytes(length);
    }
    StoreSums<kRows>(sum, reinterpret_cast<const float*>(panel), out);
  }
};

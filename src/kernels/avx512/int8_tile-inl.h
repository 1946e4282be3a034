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

struct Int8Product {
  using Row = uint8_t;
  using Panel = int8_t;
  using Vec = __m512i;
  struct Sum {
    __m512i v;
  };
  static constexpr size_t kDepth = kInt8Depth;

  static AKIN_INLINE Vec Broadcast(const Row* p) {
    int32_t four;
    std::memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static AKIN_INLINE Vec Load(const Panel* p) { return _mm512_loadu_si512(p); }
  static AKIN_INLINE Sum MulAddTo(Sum sum, Vec x, Vec w) {
    // GCC 12 keeps what the intrinsic returns in memory as well as in a register.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(x), "v"(w));
    return sum;
  }
};

struct Int8Tile {
  static size_t PanelBytes(size_t k) { return Int8PanelBytes(k); }

  // out [kRows, kPanelWidth] += the group's integer sums, scaled. Not inlined: with the sums of all
  // groups in registers there would be none left for the integers.
  template <size_t kRows>
  __attribute__((noinline)) static void AddGroup(const uint8_t* a, size_t row_bytes,
                                                 const float* row_scales, const std::byte* group,
                                                 size_t steps, float* out) {
    Int8Product::Sum acc[kRows][kPanelVecs] = {};
    Accumulate<Int8Product, kRows>(
        a, row_bytes, reinterpret_cast<const int8_t*>(group + kGroupHeadBytes), steps, acc);
    const float* scales = reinterpret_cast<const float*>(group);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      const V row_scale = V::Set(*reinterpret_cast<const float*>(
          reinterpret_cast<const std::byte*>(row_scales) + r * row_bytes));
#pragma GCC unroll 2
      for (size_t v = 0; v < kPanelVecs; ++v) {
        const __m512i zero = _mm512_loadu_si512(group + kColumnBytes + v * 64);
        const V products = {_mm512_cvtepi32_ps(_mm512_add_epi32(acc[r][v].v, zero))};
        float* sum = out + r * kPanelWidth + v * V::kLanes;
        Store(MulAdd(products * V::Load(scales + v * V::kLanes), row_scale, V::Load(sum)), sum);
      }
    }
  }

  template <size_t kRows>
  static void Run(const std::byte* a, size_t row_bytes, const std::byte* panel, size_t k,
                  float* out) {
    const Int8Shape shape(k);
    const float* bias = reinterpret_cast<const float*>(panel);
    for (size_t i = 0; i < kRows * kPanelWidth; i += V::kLanes)
      Store(V::Load(bias + i % kPanelWidth), out + i);
    const std::byte* group = panel + kColumnBytes;
    const float* row_scales = reinterpret_cast<const float*>(a + shape.scales_offset());
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      AddGroup<kRows>(reinterpret_cast<const uint8_t*>(a) + g * shape.group, row_bytes,
                      row_scales + g, group, GroupSteps(length), out);
      group += GroupBytes(length);
    }
  }
};

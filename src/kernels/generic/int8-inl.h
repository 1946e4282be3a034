// int8 products (int8.h): the tile, and the quantization of rows. What an element of a row is and
// how two vectors are multiplied is the tier's Int8Product; where its rows are above their values
// by a kZero, a panel has what the sums begin with to take that away. Included after linear-inl.h;
// the tier defines
//   RotateLanes(x, rotation)   the steps of the rotation within a vector,
//   LargerMagnitude(a, x)      the larger one of a >= 0 and |x| by lane, NaN above infinity,
//   LargestLane(a)             the largest lane in that order.
#pragma once

#include "kernels/generic/linear-inl.h"

template <typename Product>
struct Int8Tile {
  using Row = typename Product::Row;
  static constexpr Int8PanelLayout kLayout{
      .width = kPanelWidth, .depth = Product::kDepth, .zero = Product::kZero};

  static size_t PanelBytes(size_t k) { return kLayout.panel_bytes(k); }
  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel) {
    kLayout.Pack(rows, bias, panel);
  }

  template <size_t kRows>
  static AKIN_INLINE void StartSums(const std::byte* starts,
                                    typename Product::Sum (&acc)[kRows][kPanelVecs]) {
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (size_t v = 0; v < kPanelVecs; ++v)
        acc[r][v] = Product::LoadSum(starts + v * V::kLanes * sizeof(int32_t));
    }
  }

  // out [kRows, kPanelWidth] += the group's integer sums, scaled. Not inlined: with the sums of all
  // groups in registers there would be none left for the integers.
  template <size_t kRows>
  __attribute__((noinline)) static void AddGroup(const Row* a, size_t row_bytes,
                                                 const std::byte* row_scales,
                                                 const std::byte* group, size_t steps, float* out) {
    typename Product::Sum acc[kRows][kPanelVecs] = {};
    if constexpr (Product::kZero != 0) StartSums<kRows>(group + kColumnBytes, acc);
    Accumulate<Product, kRows>(a, row_bytes / sizeof(Row),
                               reinterpret_cast<const int8_t*>(group + kLayout.head_bytes()), steps,
                               acc);
    const float* scales = reinterpret_cast<const float*>(group);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      const V row_scale = V::Set(*reinterpret_cast<const float*>(row_scales + r * row_bytes));
#pragma GCC unroll 4
      for (size_t v = 0; v < kPanelVecs; ++v) {
        const V products = Product::ToFloat(acc[r][v]);
        float* sum = out + r * kPanelWidth + v * V::kLanes;
        Store(MulAdd(products * V::Load(scales + v * V::kLanes), row_scale, V::Load(sum)), sum);
      }
    }
  }

  template <size_t kRows>
  static void Run(const std::byte* a, size_t row_bytes, const std::byte* panel, size_t k,
                  float* out) {
    const Int8Shape shape(k, sizeof(Row));
    const float* bias = reinterpret_cast<const float*>(panel);
    for (size_t i = 0; i < kRows * kPanelWidth; i += V::kLanes)
      Store(V::Load(bias + i % kPanelWidth), out + i);
    const std::byte* group = panel + kColumnBytes;
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      AddGroup<kRows>(reinterpret_cast<const Row*>(a) + g * shape.group, row_bytes,
                      a + shape.scales_offset() + g * sizeof(float), group, Steps<Product>(length),
                      out);
      group += kLayout.group_bytes(length);
    }
  }
};

// `length` values -> rotated, in `out`, zeros up to a whole vector; returns the largest magnitude.
inline float RotateGroup(const float* x, size_t length, size_t rotation, float* out) {
  for (size_t i = 0; i < length; i += V::kLanes) {
    const size_t count = length - i < V::kLanes ? length - i : V::kLanes;
    const V v = count == V::kLanes ? V::Load(x + i) : V::LoadPartial(x + i, count);
    Store(RotateLanes(v, rotation), out + i);
  }
  for (size_t half = V::kLanes; half < rotation; half *= 2) {
    for (size_t block = 0; block < length; block += 2 * half) {
      for (size_t i = block; i < block + half; i += V::kLanes) {
        const V a = V::Load(out + i), b = V::Load(out + i + half);
        Store(a + b, out + i);
        Store(a - b, out + i + half);
      }
    }
  }
  V largest = V::Set(0.0f);
  for (size_t j = 0; j < length; j += V::kLanes)
    largest = LargerMagnitude(largest, V::Load(out + j));
  return LargestLane(largest);
}

// Vectors of a block of the size that nearly every model has.
constexpr size_t kBlockVecs = kMaxRotation / V::kLanes;

// The same for whole blocks of it, each in registers.
inline float RotateBlocks(const float* x, size_t length, float* out) {
  V largest = V::Set(0.0f);
  for (size_t block = 0; block < length; block += kMaxRotation) {
    V v[kBlockVecs];
#pragma GCC unroll 8
    for (size_t i = 0; i < kBlockVecs; ++i)
      v[i] = RotateLanes(V::Load(x + block + i * V::kLanes), kMaxRotation);
#pragma GCC unroll 3
    for (size_t half = 1; half < kBlockVecs; half *= 2) {
#pragma GCC unroll 8
      for (size_t i = 0; i < kBlockVecs; ++i) {
        if (i & half) continue;
        const V a = v[i], b = v[i + half];
        v[i] = a + b;
        v[i + half] = a - b;
      }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < kBlockVecs; ++i) {
      largest = LargerMagnitude(largest, v[i]);
      Store(v[i], out + block + i * V::kLanes);
    }
  }
  return LargestLane(largest);
}

template <typename Product>
void QuantizeInt8Rows(MatrixView<const float> rows, std::byte* operand) {
  using Row = typename Product::Row;
  const Int8Shape shape(rows.cols(), sizeof(Row));
  alignas(64) float rotated[Int8Shape::kMaxGroup];
  for (size_t i = 0; i < rows.rows(); ++i) {
    std::byte* row = operand + i * shape.row_bytes();
    float* scales = reinterpret_cast<float*>(row + shape.scales_offset());
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g), whole = RoundUp(length, V::kLanes);
      const float* const x = rows.data() + i * rows.stride() + g * shape.group;
      // Eight vectors fit the registers of every tier with some to spare.
      const bool in_registers = kBlockVecs <= 8 && shape.rotation == kMaxRotation;
      const float largest = in_registers ? RotateBlocks(x, length, rotated)
                                         : RotateGroup(x, length, shape.rotation, rotated);
      const V inverse = V::Set(largest > 0.0f ? 127.0f / largest : 0.0f);
      Row* out = reinterpret_cast<Row*>(row) + g * shape.group;
      for (size_t j = 0; j < whole; j += V::kLanes)
        Product::StoreValues(V::Load(rotated + j) * inverse, out + j);
      for (size_t j = whole; j < shape.group; ++j) out[j] = Product::kZero;
      scales[g] = largest * (1.0f / 127.0f);
    }
  }
}

template <typename Product>
size_t Int8RowBytes(size_t k) {
  return Int8Shape(k, sizeof(typename Product::Row)).row_bytes();
}

// The table's entries for int8 rows.
template <typename Product>
LinearKernels Int8LinearKernels() {
  using Tile = Int8Tile<Product>;
  return {.operand = OperandKind::kQuantized,
          .panel_width = kPanelWidth,
          .panel_bytes = Tile::PanelBytes,
          .pack_panel = Tile::PackPanel,
          .int8_row = Product::kZero != 0                  ? Int8Row::kUnsigned
                      : sizeof(typename Product::Row) == 1 ? Int8Row::kSigned
                                                           : Int8Row::kWide,
          .operand_bytes = Int8RowBytes<Product>,
          .quantize_rows = QuantizeInt8Rows<Product>,
          .linear = LinearF32<Tile>};
}

// Products of integers (integers.h): the tile, and the quantization of rows. What an element of a
// row and of a panel is and how two vectors are multiplied is the tier's Int8Product or
// Int16Product; where its rows are above their values by a kZero, a panel has what the sums begin
// with to take that away. Included after linear-inl.h.
#pragma once

#include "kernels/generic/linear-inl.h"

template <typename Product>
struct IntegerTile {
  using Row = typename Product::Row;
  using Weight = typename Product::Panel;
  static constexpr IntegerPanelLayout kLayout{.width = kPanelWidth,
                                              .depth = Product::kDepth,
                                              .weight_bytes = sizeof(Weight),
                                              .zero = Product::kZero};

  static size_t PanelBytes(size_t k) { return kLayout.panel_bytes(k); }
  static void PackPanel(MatrixView<const float> rows, std::span<const float> bias,
                        std::byte* panel) {
    const IntegerShape shape(rows.cols());
    for (size_t j = 0; j < kPanelWidth; ++j) reinterpret_cast<float*>(panel)[j] = bias[j];
    std::byte* group = panel + kColumnBytes;
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      for (size_t j0 = 0; j0 < kPanelWidth; j0 += V::kLanes)
        PackColumns(rows, g * shape.group, length, shape.rotation, j0, group);
      group += kLayout.group_bytes(length);
    }
    for (std::byte* const end = panel + PanelBytes(shape.k); group < end; ++group) *group = {};
  }

  // Columns j0 to j0 + kLanes of the group of weights k0 to k0 + length.
  static void PackColumns(MatrixView<const float> rows, size_t k0, size_t length, size_t rotation,
                          size_t j0, std::byte* group) {
    Weight encoded[V::kLanes][IntegerShape::kMaxGroup];
    const size_t steps = Steps<Product>(length);
    for (size_t j = 0; j < V::kLanes; ++j) {
      const float* const row = rows.data() + (j0 + j) * rows.stride() + k0;
      reinterpret_cast<float*>(group)[j0 + j] =
          EncodeGroup(row, length, steps * Product::kDepth, rotation, encoded[j]);
      if constexpr (Product::kZero != 0)
        reinterpret_cast<int32_t*>(group + kColumnBytes)[j0 + j] =
            -int32_t{Product::kZero} * SumOf(encoded[j], length);
    }
    CopyColumns<Product>(encoded[0], IntegerShape::kMaxGroup, steps, j0,
                         reinterpret_cast<Weight*>(group + kLayout.head_bytes()));
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
  template <size_t kRows, Fetch kFetch>
  __attribute__((noinline)) static void AddGroup(const Row* a, size_t row_bytes,
                                                 const std::byte* row_scales,
                                                 const std::byte* group, size_t steps, float* out) {
    typename Product::Sum acc[kRows][kPanelVecs] = {};
    if constexpr (Product::kZero != 0) StartSums<kRows>(group + kColumnBytes, acc);
    Accumulate<Product, kRows, kFetch>(
        a, row_bytes / sizeof(Row), reinterpret_cast<const Weight*>(group + kLayout.head_bytes()),
        steps, acc);
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

  // To the L2 cache panels come soon enough by themselves (docs/design/003-one-micro-kernel.md).
  static constexpr bool Asks(Fetch fetch) { return fetch == Fetch::kNearPanel; }

  template <size_t kRows, Fetch kFetch>
  static void Run(const std::byte* a, size_t row_bytes, const std::byte* panel, size_t k,
                  float* out, const std::byte* /*next_rows*/) {
    const IntegerShape shape(k, sizeof(Row));
    const float* bias = reinterpret_cast<const float*>(panel);
    for (size_t i = 0; i < kRows * kPanelWidth; i += V::kLanes)
      Store(V::Load(bias + i % kPanelWidth), out + i);
    const std::byte* group = panel + kColumnBytes;
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      AddGroup<kRows, kFetch>(reinterpret_cast<const Row*>(a) + g * shape.group, row_bytes,
                              a + shape.scales_offset() + g * sizeof(float), group,
                              Steps<Product>(length), out);
      group += kLayout.group_bytes(length);
    }
  }
};

template <typename Product>
void QuantizeRows(MatrixView<const float> rows, std::byte* operand) {
  using Row = typename Product::Row;
  constexpr float kLargestValue = kLargest<typename Product::Panel>;
  const IntegerShape shape(rows.cols(), sizeof(Row));
  alignas(64) float rotated[IntegerShape::kMaxGroup];
  for (size_t i = 0; i < rows.rows(); ++i) {
    std::byte* row = operand + i * shape.row_bytes();
    float* scales = reinterpret_cast<float*>(row + shape.scales_offset());
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g), whole = RoundUp(length, V::kLanes);
      const float* const x = rows.data() + i * rows.stride() + g * shape.group;
      const float largest = RotateValues(x, length, shape.rotation, rotated);
      // Infinite where the scale below is too small for a normal number, and is flushed to 0.
      const V inverse = V::Set(largest > 0.0f ? kLargestValue / largest : 0.0f);
      Row* out = reinterpret_cast<Row*>(row) + g * shape.group;
      for (size_t j = 0; j < whole; j += V::kLanes)
        Product::StoreValues(V::Load(rotated + j) * inverse, out + j);
      for (size_t j = whole; j < shape.group; ++j) out[j] = Product::kZero;
      scales[g] = largest * (1.0f / kLargestValue);
    }
  }
}

template <typename Product>
size_t IntegerRowBytes(size_t k) {
  return IntegerShape(k, sizeof(typename Product::Row)).row_bytes();
}

// The table's entries for rows of integers.
template <typename Product>
LinearKernels IntegerLinearKernels() {
  using Tile = IntegerTile<Product>;
  return {.operand = OperandKind::kQuantized,
          .panel_width = kPanelWidth,
          .panel_bytes = Tile::PanelBytes,
          .pack_panel = Tile::PackPanel,
          .integer_row = Product::kZero != 0                  ? IntegerRow::kUnsigned
                         : sizeof(typename Product::Row) == 1 ? IntegerRow::kSigned
                                                              : IntegerRow::kWide,
          .operand_bytes = IntegerRowBytes<Product>,
          .quantize_rows = QuantizeRows<Product>,
          .linear = LinearF32<Tile>};
}

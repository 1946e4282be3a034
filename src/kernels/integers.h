// How products with integer weights turn a row of k values, and how products of integers cut it.
//
// After LayerNorm a few fixed columns are ten times as large as the others, and one scale for a
// token's row then leaves the others a handful of steps. A rotation spreads them: x H is quantized
// in place of x, and W H / b in place of W, where H is the Walsh-Hadamard matrix of size b = 2^i in
// blocks along the diagonal. H H^T = b I, so the product is the same, and no sample texts are
// needed (the idea of QuaRot, Ashkboos et al., 2024).
//
// A row is cut into groups with a scale each; the groups' int32 sums are scaled and added in f32.
// Values are -127 to 127 in int8, -2047 to 2047 in int16, of rows as of weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace akin::kernels {

constexpr size_t kMaxRotation = 128;

// The largest power of two, up to kMaxRotation, that divides k: the size of the blocks of H.
inline size_t RotationOf(size_t k) {
  size_t rotation = 1;
  while (rotation < kMaxRotation && k % (2 * rotation) == 0) rotation *= 2;
  return rotation;
}

// The largest magnitude among rows and weights, by the type that weights are kept in.
template <typename Weight>
inline constexpr int kLargest = 0;
template <>
inline constexpr int kLargest<int8_t> = 127;
template <>
inline constexpr int kLargest<int16_t> = 2047;

struct IntegerShape {
  // 255 * 127 * 512 and 2047 * 2047 * 512 are below 2^31: the sum of a group's products fits.
  static constexpr size_t kMaxGroup = 512;
  static constexpr uint8_t kZero = 128;  // The byte that stands for 0 in a row.

  explicit IntegerShape(size_t depth, size_t bytes_a_value = 1)
      : k(depth), value_bytes(bytes_a_value), rotation(RotationOf(depth)) {
    groups = (k + kMaxGroup - 1) / kMaxGroup;
    // Groups begin on cache lines and between rotations.
    const size_t align = rotation < 64 ? 64 : rotation;
    group = ((k + groups - 1) / groups + align - 1) / align * align;
    groups = (k + group - 1) / group;
  }

  // Values of group g: fewer than `group` in the last one.
  size_t length(size_t g) const { return k - g * group < group ? k - g * group : group; }

  // A row of input: the groups' values, zeros past k, then their scales [groups] in f32, to whole
  // lines.
  size_t row_bytes() const { return scales_offset() + (groups * sizeof(float) + 63) / 64 * 64; }
  size_t scales_offset() const { return groups * group * value_bytes; }

  size_t k;
  size_t value_bytes;  // Of a row; the tier's IntegerRow tells.
  size_t rotation;     // Size of the Walsh-Hadamard blocks.
  size_t group = 0;    // Values of k to a scale.
  size_t groups = 0;
};

// x -> x H in place, not scaled: the butterflies of the fast Walsh-Hadamard transform in each block
// of `rotation` values, from neighbours to halves. Every tier adds in this order.
void Rotate(std::span<float> x, size_t rotation);

// The largest magnitude; NaN if there is one.
float LargestMagnitude(std::span<const float> values);

// The weights of one output as they stand beside rotated rows: W H / rotation.
void RotateWeights(std::span<const float> weights, size_t rotation, float* rotated);

// What integer weights of one output are multiplied with to turn them back: the largest is
// kLargest<Weight>. A NaN or an infinity among the weights makes the scale one too, so that it is
// seen in what comes out. Weight: int8_t or int16_t.
template <typename Weight>
float WeightScale(std::span<const float> weights);
template <typename Weight>
void QuantizeWeights(std::span<const float> weights, float scale, Weight* quantized);

// Panels: the bias of each column, then for each group a scale for each column and [steps][width]
// [depth] weights, a step being `depth` values of k. Where rows are `zero` above their values, the
// scales are followed by what each column's sums begin with: -zero times the sum of its weights.
struct IntegerPanelLayout {
  size_t width;
  size_t depth;
  size_t weight_bytes;
  uint8_t zero = 0;

  // What stands before a group's weights.
  constexpr size_t head_bytes() const { return width * sizeof(float) * (zero != 0 ? 2 : 1); }
  size_t group_bytes(size_t length) const;
  size_t panel_bytes(size_t k) const;  // To whole lines.
};

}  // namespace akin::kernels

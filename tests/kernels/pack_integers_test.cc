// Panels of integer weights: every tier keeps the scalar tier's numbers, each where it reads them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "kernels/integers.h"
#include "kernels/tiers.h"

namespace akin::kernels {
namespace {

constexpr size_t kScalarWidth = 16;

bool IsGrouped(Precision precision) {
  return precision == Precision::kInt8 || precision == Precision::kInt16;
}

size_t WeightBytes(Precision precision) {
  return precision == Precision::kInt16 ? sizeof(int16_t) : sizeof(int8_t);
}

// The weights of a panel as numbers: a row, and scales by group, for each column.
struct IntegerWeights {
  std::vector<std::vector<int>> values;
  std::vector<std::vector<float>> scales;
};

// As the scalar tier's panels have them: bias, then for each group scales and [length] rows.
IntegerWeights ScalarWeights(Precision precision, MatrixView<const float> rows) {
  const Kernels scalar = ScalarKernels(precision);
  const size_t k = rows.cols();
  const IntegerShape shape(k);
  const bool grouped = IsGrouped(precision);
  const size_t weight_bytes = WeightBytes(precision);
  IntegerWeights weights;
  for (size_t first = 0; first < rows.rows(); first += kScalarWidth) {
    std::vector<float> bias(kScalarWidth);
    std::vector<std::byte> panel(scalar.linear.panel_bytes(k));
    scalar.linear.pack_panel({rows.data() + first * rows.stride(), kScalarWidth, k, rows.stride()},
                             bias, panel.data());
    for (size_t j = 0; j < kScalarWidth; ++j) {
      auto& values = weights.values.emplace_back();
      auto& scales = weights.scales.emplace_back();
      const std::byte* at = panel.data() + kScalarWidth * sizeof(float);
      for (size_t g = 0; g < (grouped ? shape.groups : 1); ++g) {
        scales.push_back(reinterpret_cast<const float*>(at)[j]);
        at += kScalarWidth * sizeof(float);
        const size_t length = grouped ? shape.length(g) : k;
        for (size_t i = 0; i < length; ++i, at += kScalarWidth * weight_bytes) {
          values.push_back(weight_bytes == 1 ? int{reinterpret_cast<const int8_t*>(at)[j]}
                                             : int{reinterpret_cast<const int16_t*>(at)[j]});
        }
      }
    }
  }
  return weights;
}

// A panel of a tier, from those numbers.
class Panel {
 public:
  Panel(const Kernels& kernels, size_t k, std::span<const float> bias)
      : kernels_(kernels), k_(k), width_(bias.size()), bytes_(kernels.linear.panel_bytes(k)) {
    for (size_t j = 0; j < width_; ++j) Put(j * sizeof(float), bias[j]);
  }

  std::vector<std::byte> Of(const IntegerWeights& weights) && {
    for (size_t j = 0; j < width_; ++j) {
      if (kernels_.precision == Precision::kW8) {
        PutW8(j, weights.values[j], weights.scales[j][0]);
      } else {
        PutGroups(j, weights.values[j], weights.scales[j]);
      }
    }
    return std::move(bytes_);
  }

 private:
  template <typename T>
  void Put(size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }

  void PutW8(size_t j, std::span<const int> values, float scale) {
    const size_t column_bytes = width_ * sizeof(float);
    Put(column_bytes + j * sizeof(float), scale);
    const size_t depth = kernels_.isa >= Isa::kAvx512Bf16 && kernels_.isa <= Isa::kAmx ? 2 : 1;
    const size_t pairs = (k_ + 1) / 2;
    size_t tiles = (pairs + 15) / 16;  // Equal ones (amx).
    while (pairs % tiles != 0) ++tiles;
    const size_t tile = pairs / tiles * 32;
    for (size_t i = 0; i < k_; ++i) {
      const size_t pair = i / 2;
      const size_t place = kernels_.isa == Isa::kAmx ? (pair * 32 / tile * 2 + j / 16) * tile +
                                                           pair * 32 % tile + j % 16 * 2 + i % 2
                                                     : (i / depth * width_ + j) * depth + i % depth;
      Put(2 * column_bytes + place, static_cast<int8_t>(values[i]));
    }
  }

  void PutGroups(size_t j, std::span<const int> values, std::span<const float> scales) {
    const IntegerShape shape(k_);
    const bool scalar = kernels_.isa == Isa::kScalar;
    const bool wide = kernels_.precision == Precision::kInt16;
    const bool above_zero =
        !scalar && !wide && kernels_.linear.integer_row == IntegerRow::kUnsigned;
    const size_t depth = scalar ? 1 : kernels_.linear.integer_row == IntegerRow::kWide ? 2 : 4;
    const bool on_tiles = kernels_.isa == Isa::kAmx && !wide;
    const size_t weight_bytes = WeightBytes(kernels_.precision);
    const size_t column_bytes = width_ * sizeof(float);
    const size_t head_bytes = column_bytes * (above_zero ? 2 : 1);
    size_t group = column_bytes;
    for (size_t g = 0; g < shape.groups; ++g) {
      const size_t length = shape.length(g);
      Put(group + j * sizeof(float), scales[g]);
      int32_t sum = 0;
      for (size_t i = 0; i < length; ++i) {
        const int value = values[g * shape.group + i];
        sum += value;
        const size_t place =
            on_tiles ? (i / 64 * 2 + j / 16) * 1024 + (i % 64 / 4 * 16 + j % 16) * 4 + i % 4
                     : (i / depth * width_ + j) * depth + i % depth;
        if (wide) {
          Put(group + head_bytes + place * weight_bytes, static_cast<int16_t>(value));
        } else {
          Put(group + head_bytes + place, static_cast<int8_t>(value));
        }
      }
      if (above_zero)
        Put(group + column_bytes + j * sizeof(float), -int32_t{IntegerShape::kZero} * sum);
      group +=
          head_bytes + (on_tiles ? (length + 63) / 64 * 2048
                                 : (length + depth - 1) / depth * depth * width_ * weight_bytes);
    }
  }

  const Kernels& kernels_;
  size_t k_, width_;
  std::vector<std::byte> bytes_;
};

class PackIntegers : public testing::TestWithParam<TierPrecision> {
 protected:
  // Panels of random weights; `change` writes others among them.
  template <typename Change>
  void ExpectTheScalarNumbers(size_t k, Change change) {
    const size_t width = kernels_.linear.panel_width;
    TestMatrix rows = TestMatrix(width, k, k + 3).Fill(generator_, 0.05f);
    change(rows.view());
    std::vector<float> bias(width);
    std::ranges::generate(bias, [&] { return std::normal_distribution<float>()(generator_); });
    // Past the last row, nothing reads and nobody writes what fills the last line; within a group,
    // rows of input go on with what is zero for them, and so must weights.
    const bool to_whole_steps = IsGrouped(kernels_.precision) && kernels_.isa != Isa::kScalar;
    std::vector<std::byte> packed(kernels_.linear.panel_bytes(k),
                                  to_whole_steps ? std::byte{0x55} : std::byte{});
    const MatrixView<const float> view = std::as_const(rows).view();
    kernels_.linear.pack_panel(view, bias, packed.data());
    const std::vector<std::byte> expected =
        Panel(kernels_, k, bias).Of(ScalarWeights(kernels_.precision, view));
    ASSERT_EQ(packed.size(), expected.size()) << "k " << k;
    const auto [mine, reference] = std::ranges::mismatch(packed, expected);
    ASSERT_EQ(mine, packed.end()) << "k " << k << ", byte " << mine - packed.begin() << " of "
                                  << packed.size() << ", panels of " << width;
  }

  Kernels kernels_ = SelectKernels(GetParam().isa, GetParam().precision).value();
  std::mt19937 generator_{11};
};

TEST_P(PackIntegers, HasTheScalarTiersNumbersInEveryDepth) {
  for (const size_t k : {1,   2,   3,   5,   7,   8,   15,  16,   17,   24,   31,   32,  33,  40,
                         48,  62,  64,  72,  96,  100, 127, 128,  130,  192,  200,  256, 312, 320,
                         384, 512, 513, 520, 640, 768, 896, 1000, 1024, 1100, 1536, 3072}) {
    ExpectTheScalarNumbers(k, [](MatrixView<float>) {});
    if (HasFatalFailure()) return;
  }
}

TEST_P(PackIntegers, OutliersZerosAndTinyWeightsAreTheScalarTiers) {
  for (const size_t k : {24, 128, 200, 768}) {
    ExpectTheScalarNumbers(k, [&](MatrixView<float> rows) {
      std::ranges::fill(rows.row(0), 0.0f);
      rows(1, k / 2) = 1e30f;
      for (float& x : rows.row(2)) x *= 1e-38f;  // Denormal, and below them.
      for (float& x : rows.row(3)) x *= 1e-44f;
      for (float& x : rows.row(4)) x = x < 0 ? -3e38f : 3e38f;  // Sums become infinite.
    });
    if (HasFatalFailure()) return;
  }
}

// Not to the bit: a NaN has many.
TEST_P(PackIntegers, NanAndInfinityAreSeenInTheScale) {
  const size_t k = 384, width = kernels_.linear.panel_width;
  TestMatrix rows = TestMatrix(width, k, k).Fill(generator_);
  rows.view()(0, 7) = std::numeric_limits<float>::quiet_NaN();
  rows.view()(1, 8) = std::numeric_limits<float>::infinity();
  std::vector<float> bias(width);
  std::vector<std::byte> packed(kernels_.linear.panel_bytes(k));
  kernels_.linear.pack_panel(std::as_const(rows).view(), bias, packed.data());
  const float* scales = reinterpret_cast<const float*>(packed.data()) + width;
  EXPECT_FALSE(std::isfinite(scales[0]));
  EXPECT_FALSE(std::isfinite(scales[1]));
  EXPECT_TRUE(std::isfinite(scales[2]));
}

INSTANTIATE_TEST_SUITE_P(Tiers, PackIntegers,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           return kernels.precision == Precision::kW8 ||
                                  IsGrouped(kernels.precision);
                         })),
                         TierPrecisionTestName);

}  // namespace
}  // namespace akin::kernels

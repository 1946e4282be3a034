// Rows on their way into products: rounding to bf16, and integers with their rotation.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/integers.h"
#include "kernels/tiers.h"

namespace akin::kernels {
namespace {

class ToBf16 : public testing::TestWithParam<Isa> {
 protected:
  Kernels kernels_ = SelectKernels(GetParam(), Precision::kBf16).value();
  std::mt19937 generator_{3};
};

TEST_P(ToBf16, RoundsToNearestEvenOnEveryWidth) {
  for (size_t cols = 1; cols <= 70; ++cols) {
    TestMatrix from = TestMatrix(3, cols, cols + 3).Fill(generator_, 10.0f);
    from.view()(0, 0) = 1.0f + 1.0f / 256;  // A tie: to the even 1.0.
    from.view()(1, 0) = 1.0f + 3.0f / 256;  // A tie: up to the even 1.015625.
    const Bf16 guard{0x4242};
    const size_t stride = cols + 4;
    std::vector<Bf16> to(3 * stride, guard);
    kernels_.to_bf16(from.view(), {to.data(), 3, cols, stride});
    for (size_t i = 0; i < 3; ++i) {
      for (size_t j = 0; j < cols; ++j)
        ASSERT_EQ(to[i * stride + j].bits, Bf16::From(from.view()(i, j)).bits) << i << ' ' << j;
      const size_t end = (cols + 1) / 2 * 2;
      if (end > cols) {
        EXPECT_EQ(to[i * stride + cols].bits, 0) << "a zero after an odd column";
      }
      for (size_t j = end; j < stride; ++j) ASSERT_EQ(to[i * stride + j].bits, guard.bits);
    }
  }
}

TEST_P(ToBf16, NanAndInfinityStay) {
  TestMatrix from(1, 18, 18);
  std::ranges::fill(from.view().row(0), 1.0f);
  from.view()(0, 3) = std::numeric_limits<float>::quiet_NaN();
  from.view()(0, 17) = -std::numeric_limits<float>::infinity();
  std::vector<Bf16> to(18);
  kernels_.to_bf16(from.view(), {to.data(), 1, 18});
  EXPECT_TRUE(std::isnan(to[3].ToFloat()));
  EXPECT_EQ(to[17].ToFloat(), -std::numeric_limits<float>::infinity());
}

INSTANTIATE_TEST_SUITE_P(Tiers, ToBf16, testing::ValuesIn(UsableIsas()), IsaTestName);

TEST(Rotate, TwiceIsTheSizeOfTheBlock) {
  std::mt19937 generator(5);
  for (const size_t rotation : {1, 2, 8, 32, 128}) {
    TestMatrix x = TestMatrix(1, 384, 384).Fill(generator);
    std::vector<float> turned(x.view().row(0).begin(), x.view().row(0).end());
    Rotate(turned, rotation);
    Rotate(turned, rotation);
    for (size_t i = 0; i < 384; ++i)
      ASSERT_NEAR(turned[i], x.view()(0, i) * static_cast<float>(rotation), 2e-4) << rotation;
  }
}

TEST(Rotate, SpreadsOneLargeValueOverItsBlock) {
  std::vector<float> x(256, 0.0f);
  x[133] = 32.0f;
  Rotate(x, 128);
  for (size_t i = 0; i < 256; ++i) EXPECT_EQ(std::abs(x[i]), i < 128 ? 0.0f : 32.0f);
}

TEST(IntegerShape, CutsEveryDepthIntoGroupsThatFit) {
  for (size_t k = 1; k <= 5000; ++k) {
    const IntegerShape shape(k);
    ASSERT_EQ(k % shape.rotation, 0u) << k;
    ASSERT_LE(shape.group, IntegerShape::kMaxGroup) << k;
    ASSERT_EQ(shape.group % 64, 0u) << k;
    size_t sum = 0;
    for (size_t g = 0; g < shape.groups; ++g) {
      ASSERT_GT(shape.length(g), 0u) << k;
      ASSERT_EQ(g * shape.group % shape.rotation, 0u) << "a rotation across groups, k " << k;
      sum += shape.length(g);
    }
    ASSERT_EQ(sum, k);
  }
}

class QuantizeRows : public testing::TestWithParam<TierPrecision> {
 protected:
  Kernels kernels_ = SelectKernels(GetParam().isa, GetParam().precision).value();
  Kernels scalar_ = SelectKernels(Isa::kScalar, GetParam().precision).value();
  std::mt19937 generator_{9};
};

// Value i of a row.
int ValueAt(IntegerRow kind, const std::byte* row, size_t i) {
  switch (kind) {
    case IntegerRow::kUnsigned: return std::to_integer<int>(row[i]) - int{IntegerShape::kZero};
    case IntegerRow::kSigned: return reinterpret_cast<const int8_t*>(row)[i];
    case IntegerRow::kWide: return reinterpret_cast<const int16_t*>(row)[i];
  }
  return 0;
}

TEST_P(QuantizeRows, HasTheReferencesValuesAndScales) {
  for (const size_t k : {1, 5, 8, 24, 40, 64, 96, 128, 200, 312, 384, 513, 768, 1536}) {
    TestMatrix rows = TestMatrix(5, k, k + 2).Fill(generator_, 2.0f);
    std::ranges::fill(rows.view().row(4), 0.0f);
    rows.view()(1, k / 2) = 50.0f;
    const IntegerRow kind = kernels_.linear.integer_row;
    const IntegerRow scalar_kind = scalar_.linear.integer_row;
    const IntegerShape shape(k, kind == IntegerRow::kWide ? 2 : 1),
        scalar_shape(k, scalar_kind == IntegerRow::kWide ? 2 : 1);
    ASSERT_EQ(kernels_.linear.operand_bytes(k), shape.row_bytes());
    AlignedBuffer mine(5 * shape.row_bytes()), reference(5 * scalar_shape.row_bytes());
    std::ranges::fill(mine.As<std::byte>(), std::byte{0x55});
    kernels_.linear.quantize_rows(rows.view(), mine.As<std::byte>().data());
    scalar_.linear.quantize_rows(rows.view(), reference.As<std::byte>().data());
    for (size_t i = 0; i < 5; ++i) {
      const std::byte* row = mine.As<std::byte>().data() + i * shape.row_bytes();
      const std::byte* expected = reference.As<std::byte>().data() + i * scalar_shape.row_bytes();
      // With the zeros past k.
      for (size_t d = 0; d < shape.groups * shape.group; ++d)
        ASSERT_EQ(ValueAt(kind, row, d), ValueAt(scalar_kind, expected, d))
            << "k " << k << " row " << i << " value " << d;
      EXPECT_EQ(std::memcmp(row + shape.scales_offset(), expected + scalar_shape.scales_offset(),
                            shape.groups * sizeof(float)),
                0)
          << "scales, k " << k << " row " << i;
    }
  }
}

// Those that quantize: int8 and int16 may run in another precision.
INSTANTIATE_TEST_SUITE_P(Tiers, QuantizeRows,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           return kernels.precision == Precision::kInt8 ||
                                  kernels.precision == Precision::kInt16;
                         })),
                         TierPrecisionTestName);

}  // namespace
}  // namespace akin::kernels

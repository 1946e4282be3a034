#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/tiers.h"

namespace akin::kernels {
namespace {

constexpr float kEps = 1e-5f;

class Norm : public testing::TestWithParam<Isa> {
 protected:
  // LayerNorm, or RMSNorm without the mean, of `values` in f64, and what f32 may be off by.
  struct Exact {
    std::vector<double> normal;
    double error;
  };
  static Exact Normalize(std::span<const float> values, bool subtract_mean) {
    const double n = static_cast<double>(values.size());
    double mean = 0.0, variance = 0.0;
    for (const float x : values) mean += subtract_mean ? x / n : 0.0;
    for (const float x : values) variance += (x - mean) * (x - mean) / n;
    const double deviation = std::sqrt(variance + double{kEps});
    Exact exact;
    for (const float x : values) exact.normal.push_back((x - mean) / deviation);
    // Differences to the mean lose what the mean has of it: relative to the largest value over the
    // deviation.
    exact.error = 2e-6 * (1.0 + std::abs(mean) / deviation);
    return exact;
  }

  // All sizes, with and without a bias, in place, apart and added.
  void ExpectMatchesExact(void (*norm)(const NormArgs&), bool subtract_mean) {
    for (size_t size = 1; size <= 100; ++size) {
      SCOPED_TRACE(size);
      const TestMatrix input = TestMatrix(4, size, size + 3).Fill(generator_, 3.0f);
      TestMatrix weight = TestMatrix(1, size, size).Fill(generator_);
      TestMatrix bias = TestMatrix(1, size, size).Fill(generator_);
      TestMatrix in_place = input;
      TestMatrix apart(4, size, size + 2);
      TestMatrix added = TestMatrix(4, size, size + 5).Fill(generator_);
      const TestMatrix before = added;
      NormArgs args{.input = in_place.view(),
                    .output = in_place.view(),
                    .weight = weight.view().data(),
                    .bias = bias.view().data(),
                    .eps = kEps};
      norm(args);
      args.input = input.view();
      args.output = apart.view();
      norm(args);
      args.output = added.view();
      args.bias = nullptr;
      args.add = true;
      norm(args);
      for (const TestMatrix* matrix : {&in_place, &apart, &added})
        EXPECT_TRUE(matrix->GuardsIntact());
      for (size_t i = 0; i < 4; ++i) {
        const Exact exact = Normalize(input.view().row(i), subtract_mean);
        for (size_t j = 0; j < size; ++j) {
          const double scaled = exact.normal[j] * weight.view()(0, j);
          const double bound = exact.error * (1.0 + std::abs(weight.view()(0, j)) * 4.0);
          ASSERT_NEAR(in_place.view()(i, j), scaled + bias.view()(0, j), bound);
          ASSERT_EQ(in_place.view()(i, j), apart.view()(i, j));
          ASSERT_NEAR(added.view()(i, j), before.view()(i, j) + scaled, bound);
        }
      }
    }
  }

  Kernels kernels_ = SelectKernels(GetParam()).value();
  std::mt19937 generator_{5};
};

TEST_P(Norm, LayerNormMatchesExactOnEverySize) { ExpectMatchesExact(kernels_.layer_norm, true); }

TEST_P(Norm, RmsNormMatchesExactOnEverySize) { ExpectMatchesExact(kernels_.rms_norm, false); }

TEST_P(Norm, AConstantRowBecomesTheBias) {
  const size_t size = 50;
  TestMatrix hidden(1, size, size), weight(1, size, size), bias(1, size, size);
  for (size_t j = 0; j < size; ++j) {
    hidden.view()(0, j) = 0.0f;
    weight.view()(0, j) = 2.0f;
    bias.view()(0, j) = static_cast<float>(j);
  }
  for (const auto norm : {kernels_.layer_norm, kernels_.rms_norm}) {
    TestMatrix output(1, size, size);
    norm({.input = hidden.view(),
          .output = output.view(),
          .weight = weight.view().data(),
          .bias = bias.view().data(),
          .eps = 1e-12f});
    for (size_t j = 0; j < size; ++j) EXPECT_EQ(output.view()(0, j), static_cast<float>(j));
  }
}

TEST_P(Norm, HeadsSideBySideAreRowsOfTheirOwn) {
  const size_t heads = 3, head_dim = 24;
  TestMatrix row = TestMatrix(1, heads * head_dim, heads * head_dim).Fill(generator_);
  TestMatrix weight = TestMatrix(1, head_dim, head_dim).Fill(generator_);
  const TestMatrix before = row;
  const MatrixView<float> view(row.view().data(), heads, head_dim, head_dim);
  kernels_.rms_norm({.input = view, .output = view, .weight = weight.view().data(), .eps = kEps});
  for (size_t h = 0; h < heads; ++h) {
    const Exact exact =
        Normalize(before.view().row(0).subspan(h * head_dim, head_dim), /*subtract_mean=*/false);
    for (size_t d = 0; d < head_dim; ++d)
      EXPECT_NEAR(view(h, d), exact.normal[d] * weight.view()(0, d), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Norm, testing::ValuesIn(UsableIsas()), IsaTestName);

class Rotary : public Norm {};

TEST_P(Rotary, TurnsPairsByTheAnglesOfTheirRow) {
  for (const size_t head_dim : {2, 6, 8, 16, 24, 64, 96}) {
    for (const size_t rotary_dim : {size_t{2}, head_dim / 2 / 2 * 2, head_dim}) {
      SCOPED_TRACE(testing::Message() << "head_dim " << head_dim << " rotary_dim " << rotary_dim);
      const size_t rows = 5, heads = 3, half = rotary_dim / 2;
      TestMatrix states = TestMatrix(rows, heads * head_dim, heads * head_dim + 4).Fill(generator_);
      TestMatrix angles = TestMatrix(rows, half, half).Fill(generator_, 3.0f);
      TestMatrix cos_sin(rows, rotary_dim, rotary_dim + 1);
      for (size_t i = 0; i < rows; ++i) {
        for (size_t d = 0; d < half; ++d) {
          cos_sin.view()(i, d) = std::cos(angles.view()(i, d));
          cos_sin.view()(i, half + d) = std::sin(angles.view()(i, d));
        }
      }
      const TestMatrix before = states;
      kernels_.rotate({.rows = states.view(),
                       .cos_sin = cos_sin.view(),
                       .head_dim = head_dim,
                       .rotary_dim = rotary_dim});
      EXPECT_TRUE(states.GuardsIntact());
      for (size_t i = 0; i < rows; ++i) {
        for (size_t j = 0; j < heads * head_dim; ++j) {
          const size_t d = j % head_dim;
          double expected = before.view()(i, j);
          if (d < rotary_dim) {
            const double angle = angles.view()(i, d % half);
            const double other =
                d < half ? -before.view()(i, j + half) : before.view()(i, j - half);
            expected = expected * std::cos(angle) + other * std::sin(angle);
          }
          ASSERT_NEAR(states.view()(i, j), expected, 2e-6) << "row " << i << " column " << j;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Rotary, testing::ValuesIn(UsableIsas()), IsaTestName);

}  // namespace
}  // namespace akin::kernels

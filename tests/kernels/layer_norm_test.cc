#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/tiers.h"

namespace akin::kernels {
namespace {

class LayerNorm : public testing::TestWithParam<Isa> {
 protected:
  Kernels kernels_ = SelectKernels(GetParam()).value();
  std::mt19937 generator_{5};
};

TEST_P(LayerNorm, MatchesExactOnEverySize) {
  for (size_t size = 1; size <= 100; ++size) {
    SCOPED_TRACE(size);
    TestMatrix hidden = TestMatrix(4, size, size + 3).Fill(generator_, 3.0f);
    TestMatrix weight = TestMatrix(1, size, size).Fill(generator_);
    TestMatrix bias = TestMatrix(1, size, size).Fill(generator_);
    // Normalized in place: keep what was there.
    std::vector<float> values;
    for (size_t i = 0; i < 4; ++i)
      values.insert(values.end(), hidden.view().row(i).begin(), hidden.view().row(i).end());
    constexpr float kEps = 1e-5f;
    kernels_.layer_norm({.hidden = hidden.view(),
                         .weight = weight.view().data(),
                         .bias = bias.view().data(),
                         .eps = kEps});
    EXPECT_TRUE(hidden.GuardsIntact());
    for (size_t i = 0; i < 4; ++i) {
      const double n = static_cast<double>(size);
      double mean = 0.0, variance = 0.0;
      for (size_t j = 0; j < size; ++j) mean += values[i * size + j] / n;
      for (size_t j = 0; j < size; ++j)
        variance += (values[i * size + j] - mean) * (values[i * size + j] - mean) / n;
      for (size_t j = 0; j < size; ++j) {
        const double normal = (values[i * size + j] - mean) / std::sqrt(variance + double{kEps});
        const double exact = normal * weight.view()(0, j) + bias.view()(0, j);
        // Differences to the mean lose what the mean has of it: relative to the largest value over
        // the deviation.
        const double bound = 2e-6 * (1.0 + std::abs(mean) / std::sqrt(variance + double{kEps})) *
                             (1.0 + std::abs(weight.view()(0, j)) * 4.0);
        ASSERT_NEAR(hidden.view()(i, j), exact, bound) << "row " << i << " column " << j;
      }
    }
  }
}

TEST_P(LayerNorm, AConstantRowBecomesTheBias) {
  const size_t size = 50;
  TestMatrix hidden(1, size, size), weight(1, size, size), bias(1, size, size);
  for (size_t j = 0; j < size; ++j) {
    hidden.view()(0, j) = 0.0f;
    weight.view()(0, j) = 2.0f;
    bias.view()(0, j) = static_cast<float>(j);
  }
  kernels_.layer_norm({.hidden = hidden.view(),
                       .weight = weight.view().data(),
                       .bias = bias.view().data(),
                       .eps = 1e-12f});
  for (size_t j = 0; j < size; ++j) EXPECT_EQ(hidden.view()(0, j), static_cast<float>(j));
}

INSTANTIATE_TEST_SUITE_P(Tiers, LayerNorm, testing::ValuesIn(UsableIsas()), IsaTestName);

}  // namespace
}  // namespace akin::kernels

// Matrix products of every tier against sums in f64, on all shapes around the edges of tiles and
// panels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/tiers.h"

namespace akin::kernels {
namespace {

double ExactEpilogue(Epilogue epilogue, double x, double y) {
  switch (epilogue) {
    case Epilogue::kStore: return x;
    case Epilogue::kGelu: return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    case Epilogue::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case Epilogue::kRelu: return std::max(x, 0.0);
    case Epilogue::kAdd: return y + x;
  }
  return 0.0;
}

class Linear : public testing::TestWithParam<Isa> {
 protected:
  Kernels kernels_ = SelectKernels(GetParam()).value();
  std::mt19937 generator_{7};

  // Largest error over the bound that sums of k products allow, over all cells; the worst cell is
  // printed on failure.
  void ExpectMatchesExact(size_t m, size_t n, size_t k, Epilogue epilogue) {
    SCOPED_TRACE(testing::Message() << "m " << m << " n " << n << " k " << k << " epilogue "
                                    << static_cast<int>(epilogue));
    TestMatrix weight = TestMatrix(n, k, k).Fill(generator_, 0.5f);
    TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
    TestMatrix input = TestMatrix(m, k, k + 3).Fill(generator_);
    TestMatrix output = TestMatrix(m, n, n + 5).Fill(generator_);
    std::vector<float> before(m * n);
    for (size_t i = 0; i < m; ++i)
      std::ranges::copy(output.view().row(i), before.begin() + static_cast<long>(i * n));
    const TestLinear linear(kernels_, weight.view(), bias.view().row(0));

    kernels_.linear({.input = input.view(),
                     .linear = linear.packed(),
                     .output = output.view(),
                     .epilogue = epilogue,
                     .first_panel = 0,
                     .last_panel = NumPanels(kernels_, n)});

    EXPECT_TRUE(output.GuardsIntact());
    constexpr double kEpsilon = std::numeric_limits<float>::epsilon() / 2;
    double worst = 0.0;
    size_t worst_row = 0, worst_col = 0;
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < n; ++j) {
        double sum = bias.view()(0, j), magnitude = std::abs(sum);
        for (size_t kk = 0; kk < k; ++kk) {
          const double product = double{input.view()(i, kk)} * weight.view()(j, kk);
          sum += product;
          magnitude += std::abs(product);
        }
        const double old = before[i * n + j];
        // k + 2 roundings (scalar: two a step), each of at most epsilon of what has been summed,
        // and the epilogue's own.
        const double bound =
            (2.0 * static_cast<double>(k) + 4.0) * kEpsilon * (magnitude + std::abs(old)) +
            (epilogue == Epilogue::kGelu || epilogue == Epilogue::kGeluTanh
                 ? 5e-7 + 4e-7 * std::abs(sum)
                 : 0.0);
        const double error =
            std::abs(output.view()(i, j) - ExactEpilogue(epilogue, sum, old)) / bound;
        if (!(error <= worst)) worst = error, worst_row = i, worst_col = j;
      }
    }
    EXPECT_LE(worst, 1.0) << "row " << worst_row << " column " << worst_col << ": "
                          << output.view()(worst_row, worst_col);
  }
};

TEST_P(Linear, MatchesExactSumsOnEveryRowCount) {
  for (size_t m = 1; m <= 31; ++m) ExpectMatchesExact(m, 33, 40, Epilogue::kStore);
}

TEST_P(Linear, MatchesExactSumsOnEveryColumnCount) {
  for (size_t n = 1; n <= 67; ++n) ExpectMatchesExact(5, n, 24, Epilogue::kStore);
}

TEST_P(Linear, MatchesExactSumsOnEveryDepth) {
  for (size_t k = 1; k <= 35; ++k) ExpectMatchesExact(3, 34, k, Epilogue::kStore);
  ExpectMatchesExact(15, 100, 1536, Epilogue::kStore);
}

TEST_P(Linear, MatchesExactSumsWithEveryEpilogue) {
  for (const Epilogue epilogue :
       {Epilogue::kStore, Epilogue::kGelu, Epilogue::kGeluTanh, Epilogue::kRelu, Epilogue::kAdd}) {
    for (const size_t m : {1, 7, 14, 15}) {
      for (const size_t n : {1, 16, 31, 48, 65}) ExpectMatchesExact(m, n, 19, epilogue);
    }
  }
}

// Panels that together exceed the block kept in the L2 cache.
TEST_P(Linear, MatchesExactSumsOnMoreThanOneBlockOfPanels) {
  ExpectMatchesExact(20, 700, 384, Epilogue::kGelu);
}

TEST_P(Linear, ARowHasTheSameBitsWhateverItsCompany) {
  const size_t n = 70, k = 129, rows = 40;
  TestMatrix weight = TestMatrix(n, k, k).Fill(generator_);
  TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
  TestMatrix input = TestMatrix(rows, k, k).Fill(generator_);
  const TestLinear linear(kernels_, weight.view(), bias.view().row(0));
  const auto run = [&](size_t first, size_t count, TestMatrix& output) {
    kernels_.linear({.input = MatrixView<const float>(input.view()).Rows(first, count),
                     .linear = linear.packed(),
                     .output = output.view(),
                     .epilogue = Epilogue::kGelu,
                     .first_panel = 0,
                     .last_panel = NumPanels(kernels_, n)});
  };
  TestMatrix all(rows, n, n);
  run(0, rows, all);
  for (size_t count = 1; count <= 17; ++count) {
    for (size_t first = 0; first + count <= rows; first += 5) {
      TestMatrix part(count, n, n);
      run(first, count, part);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_TRUE(std::ranges::equal(part.view().row(i), all.view().row(first + i)))
            << "row " << first + i << " computed among " << count;
      }
    }
  }
}

TEST_P(Linear, APartOfThePanelsWritesItsColumnsOnly) {
  const size_t m = 9, n = 100, k = 33;
  TestMatrix weight = TestMatrix(n, k, k).Fill(generator_);
  TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
  TestMatrix input = TestMatrix(m, k, k).Fill(generator_);
  const TestLinear linear(kernels_, weight.view(), bias.view().row(0));
  TestMatrix whole(m, n, n), parts(m, n, n);
  const size_t panels = NumPanels(kernels_, n);
  const auto run = [&](size_t first, size_t last, TestMatrix& output) {
    kernels_.linear({.input = input.view(),
                     .linear = linear.packed(),
                     .output = output.view(),
                     .first_panel = first,
                     .last_panel = last});
  };
  run(0, panels, whole);
  run(1, panels, parts);
  EXPECT_EQ(parts.view()(0, 0), TestMatrix::kGuard);
  run(0, 1, parts);
  for (size_t i = 0; i < m; ++i)
    EXPECT_TRUE(std::ranges::equal(parts.view().row(i), whole.view().row(i)));
}

TEST_P(Linear, GeluStaysWithinItsErrorBoundOverTheWholeRange) {
  // One input column of weight 1 makes the product the identity.
  TestMatrix one(1, 1, 1), zero(1, 1, 1);
  one.view()(0, 0) = 1.0f;
  zero.view()(0, 0) = 0.0f;
  const TestLinear linear(kernels_, one.view(), zero.view().row(0));
  constexpr size_t kSteps = 200001;
  TestMatrix input(kSteps, 1, 1), output(kSteps, 1, 1);
  for (size_t i = 0; i < kSteps; ++i)
    input.view()(i, 0) = -20.0f + 40.0f * static_cast<float>(i) / (kSteps - 1);
  for (const Epilogue epilogue : {Epilogue::kGelu, Epilogue::kGeluTanh}) {
    kernels_.linear({.input = input.view(),
                     .linear = linear.packed(),
                     .output = output.view(),
                     .epilogue = epilogue,
                     .first_panel = 0,
                     .last_panel = 1});
    for (size_t i = 0; i < kSteps; ++i) {
      const double x = input.view()(i, 0);
      ASSERT_NEAR(output.view()(i, 0), ExactEpilogue(epilogue, x, 0.0), 5e-7 + 2e-7 * std::abs(x))
          << "x = " << x;
    }
  }
}

TEST_P(Linear, NanComesOutAsNanAndHugeStaysInItsRow) {
  const size_t n = 40, k = 20;
  TestMatrix weight = TestMatrix(n, k, k).Fill(generator_);
  TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
  TestMatrix input = TestMatrix(3, k, k).Fill(generator_);
  input.view()(1, 4) = std::numeric_limits<float>::quiet_NaN();
  const TestLinear linear(kernels_, weight.view(), bias.view().row(0));
  for (const Epilogue epilogue :
       {Epilogue::kStore, Epilogue::kGelu, Epilogue::kGeluTanh, Epilogue::kRelu}) {
    TestMatrix output(3, n, n);
    kernels_.linear({.input = input.view(),
                     .linear = linear.packed(),
                     .output = output.view(),
                     .epilogue = epilogue,
                     .first_panel = 0,
                     .last_panel = NumPanels(kernels_, n)});
    for (size_t j = 0; j < n; ++j) {
      EXPECT_TRUE(std::isfinite(output.view()(0, j)));
      EXPECT_TRUE(std::isnan(output.view()(1, j)))
          << "column " << j << " epilogue " << static_cast<int>(epilogue);
      EXPECT_TRUE(std::isfinite(output.view()(2, j)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Linear, testing::ValuesIn(UsableIsas()), IsaTestName);

}  // namespace
}  // namespace akin::kernels

// Matrix products of every tier against sums in f64, on all shapes around the edges of tiles and
// panels.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "kernels/integers.h"
#include "kernels/near_panels.h"
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
    case Epilogue::kSilu: return x / (1.0 + std::exp(-x));
    case Epilogue::kQuickGelu: return x / (1.0 + std::exp(-1.702 * x));
    case Epilogue::kAdd: return y + x;
  }
  return 0.0;
}

// How far a precision's product may be from the exact one beside the roundings of its sums, as a
// share of the sum of magnitudes |x| |w|: the operands' own roundings.
double OperandError(const Kernels& kernels) {
  constexpr double kBf16 = 1.0 / 256;  // Half a unit of eight significant bits.
  const bool rows_rounded = kernels.linear.operand != OperandKind::kF32;
  switch (kernels.precision) {
    case Precision::kAuto:
    case Precision::kF16:  // Of no kernel.
    case Precision::kF32: return 0.0;
    case Precision::kBf16x3: return 4.0 * kBf16 * kBf16;
    case Precision::kBf16: return rows_rounded ? kBf16 * (2.0 + kBf16) : kBf16;
    case Precision::kInt16:
    case Precision::kW8:
    case Precision::kInt8: return 0.0;  // Bounded by their scales instead.
  }
  return 0.0;
}

double LargestOf(std::span<const float> values) {
  double largest = 0.0;
  for (const float x : values) largest = std::max(largest, std::abs(double{x}));
  return largest;
}

class Linear : public testing::TestWithParam<TierPrecision> {
 protected:
  Kernels kernels_ = SelectKernels(GetParam().isa, GetParam().precision).value();
  std::mt19937 generator_{7};

  LinearArgs Args(const TestOperand& input, const TestLinear& linear, MatrixView<float> output,
                  Epilogue epilogue = Epilogue::kStore) const {
    return {.input = input.operand(),
            .linear = linear.packed(),
            .output = {.f32 = output, .bf16 = {}},
            .epilogue = epilogue,
            .first_panel = 0,
            .last_panel = NumPanels(kernels_, linear.packed().n)};
  }

  // Half a step for every rotated weight and, in int8 and int16, every rotated input (of bf16, in
  // w8). A rotation of size b makes the largest value at most sqrt(b) times as large.
  double ScaleError(MatrixView<const float> input, size_t i, MatrixView<const float> weight,
                    size_t j) const {
    const double k = static_cast<double>(weight.cols());
    const double x = LargestOf(input.row(i)), w = LargestOf(weight.row(j));
    double x_norm = 0.0, w_norm = 0.0;
    for (const float v : input.row(i)) x_norm += double{v} * v;
    for (const float v : weight.row(j)) w_norm += double{v} * v;
    x_norm = std::sqrt(x_norm), w_norm = std::sqrt(w_norm);
    // |x| |dw| + |dx| |w| + |dx| |dw| by Cauchy and Schwarz, in the rotated space.
    const int largest =
        kernels_.precision == Precision::kInt16 ? kLargest<int16_t> : kLargest<int8_t>;
    const double step =
        std::sqrt(static_cast<double>(RotationOf(weight.cols()))) / (2.0 * largest) * 1.001;
    const double dw = step * w * std::sqrt(k);
    if (kernels_.precision == Precision::kW8) {
      const double dx = x_norm / 256.0;
      return x_norm * dw + dx * w_norm + dx * dw;
    }
    if (kernels_.precision == Precision::kInt8 || kernels_.precision == Precision::kInt16) {
      const double dx = step * x * std::sqrt(k);
      return x_norm * dw + dx * w_norm + dx * dw;
    }
    return 0.0;
  }

  // Largest error over the bound that sums of k products allow, over all cells; the worst cell is
  // printed on failure. Whichever cache the panels are asked for, the bits are the same.
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
    const TestOperand operand(kernels_, input.view());

    kernels_.linear.linear(Args(operand, linear, output.view(), epilogue));

    EXPECT_TRUE(output.GuardsIntact());
    const ScopedPanelsComeNear as_on_other_cpus(!PanelsComeNear());
    TestMatrix there(m, n, n);
    for (size_t i = 0; i < m; ++i)
      std::copy_n(before.begin() + static_cast<long>(i * n), n, there.view().row(i).begin());
    kernels_.linear.linear(Args(operand, linear, there.view(), epilogue));
    for (size_t i = 0; i < m; ++i)
      EXPECT_TRUE(std::ranges::equal(there.view().row(i), output.view().row(i))) << "row " << i;
    constexpr double kEpsilon = std::numeric_limits<float>::epsilon() / 2;
    double worst = 0.0;
    size_t worst_row = 0, worst_col = 0;
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < n; ++j) {
        double sum = bias.view()(0, j), magnitude = 0.0;
        for (size_t kk = 0; kk < k; ++kk) {
          const double product = double{input.view()(i, kk)} * weight.view()(j, kk);
          sum += product;
          magnitude += std::abs(product);
        }
        const double old = before[i * n + j];
        // k + 2 roundings (scalar: two a step), each of at most epsilon of what has been summed,
        // the operands' and the epilogue's own. GELU's and SiLU's slope is at most 1.13.
        const double operands =
            OperandError(kernels_) * magnitude + ScaleError(input.view(), i, weight.view(), j);
        const double bound = (2.0 * static_cast<double>(k) + 4.0) * kEpsilon *
                                 (magnitude + std::abs(double{bias.view()(0, j)}) + std::abs(old)) +
                             1.13 * operands +
                             (epilogue != Epilogue::kStore && epilogue != Epilogue::kAdd &&
                                      epilogue != Epilogue::kRelu
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

  // Takes `num_steps` numbers x from -limit to limit; `epilogue` of each is within bound(x) of the
  // exact one.
  template <typename Bound>
  void ExpectEpilogueWithin(Epilogue epilogue, float limit, size_t num_steps, Bound bound) {
    // One input column of weight 1 makes the product the identity.
    TestMatrix one(1, 1, 1), zero(1, 1, 1);
    one.view()(0, 0) = 1.0f;
    zero.view()(0, 0) = 0.0f;
    const TestLinear linear(kernels_, one.view(), zero.view().row(0));
    TestMatrix input(num_steps, 1, 1), output(num_steps, 1, 1);
    const float last_step = static_cast<float>(num_steps - 1);
    for (size_t i = 0; i < num_steps; ++i)
      input.view()(i, 0) = -limit + 2.0f * limit * static_cast<float>(i) / last_step;
    const TestOperand operand(kernels_, input.view());
    kernels_.linear.linear(Args(operand, linear, output.view(), epilogue));
    for (size_t i = 0; i < num_steps; ++i) {
      const double x = input.view()(i, 0);
      ASSERT_NEAR(output.view()(i, 0), ExactEpilogue(epilogue, x, 0.0), bound(x))
          << "x = " << x << " epilogue " << static_cast<int>(epilogue);
    }
  }
};

// Tiers that read their rows as the reference does; others keep more of them.
class LinearOfRoundedRows : public Linear {};
// Tiers that write states in bf16.
class LinearIntoBf16 : public Linear {};
class LinearInF32 : public Linear {};

TEST_P(Linear, MatchesExactSumsOnEveryRowCount) {
  for (size_t m = 1; m <= 31; ++m) ExpectMatchesExact(m, 33, 40, Epilogue::kStore);
}

TEST_P(Linear, MatchesExactSumsOnEveryColumnCount) {
  for (size_t n = 1; n <= 67; ++n) ExpectMatchesExact(5, n, 24, Epilogue::kStore);
}

TEST_P(Linear, MatchesExactSumsOnEveryDepth) {
  for (size_t k = 1; k <= 35; ++k) ExpectMatchesExact(3, 34, k, Epilogue::kStore);
  for (const size_t k : {63, 64, 65, 127, 128, 130, 192, 312, 384, 511, 512, 513, 700, 768, 1536})
    ExpectMatchesExact(15, 40, k, Epilogue::kStore);
}

TEST_P(Linear, MatchesExactSumsWithEveryEpilogue) {
  for (const Epilogue epilogue :
       {Epilogue::kStore, Epilogue::kGelu, Epilogue::kGeluTanh, Epilogue::kRelu, Epilogue::kSilu,
        Epilogue::kQuickGelu, Epilogue::kAdd}) {
    for (const size_t m : {1, 7, 14, 15}) {
      for (const size_t n : {1, 16, 31, 48, 65}) ExpectMatchesExact(m, n, 19, epilogue);
    }
  }
}

// Panels that together exceed the block kept in the L2 cache.
TEST_P(Linear, MatchesExactSumsOnMoreThanOneBlockOfPanels) {
  ExpectMatchesExact(20, 700, 384, Epilogue::kGelu);
}

// The same operands give the same sums, up to the roundings of sums: what is packed and quantized
// here is what the reference packs and quantizes.
TEST_P(LinearOfRoundedRows, MatchTheScalarTier) {
  const Kernels scalar = SelectKernels(Isa::kScalar, kernels_.precision).value();
  for (const size_t k : {1, 7, 40, 129, 384, 1536}) {
    const size_t m = 9, n = 37;
    TestMatrix weight = TestMatrix(n, k, k).Fill(generator_, 0.5f);
    TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
    TestMatrix input = TestMatrix(m, k, k).Fill(generator_);
    TestMatrix mine(m, n, n), reference(m, n, n);
    for (const auto& [kernels, output] :
         {std::pair(&std::as_const(kernels_), &mine), std::pair(&scalar, &reference)}) {
      const TestLinear linear(*kernels, weight.view(), bias.view().row(0));
      const TestOperand operand(*kernels, input.view());
      LinearArgs args = Args(operand, linear, output->view());
      args.last_panel = NumPanels(*kernels, n);
      kernels->linear.linear(args);
    }
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < n; ++j) {
        double magnitude = std::abs(double{bias.view()(0, j)});
        for (size_t kk = 0; kk < k; ++kk)
          magnitude += std::abs(double{input.view()(i, kk)} * weight.view()(j, kk));
        ASSERT_NEAR(mine.view()(i, j), reference.view()(i, j),
                    1.2e-7 * (static_cast<double>(k) + 4.0) * magnitude)
            << "k " << k << " row " << i << " column " << j;
      }
    }
  }
}

TEST_P(LinearIntoBf16, StoresTheRoundedValues) {
  const size_t m = 17, n = 45, k = 64;
  TestMatrix weight = TestMatrix(n, k, k).Fill(generator_, 0.5f);
  TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
  TestMatrix input = TestMatrix(m, k, k).Fill(generator_);
  const TestLinear linear(kernels_, weight.view(), bias.view().row(0));
  const TestOperand operand(kernels_, input.view());
  for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kGelu, Epilogue::kGeluTanh,
                                  Epilogue::kRelu, Epilogue::kSilu, Epilogue::kQuickGelu}) {
    TestMatrix exact(m, n, n);
    kernels_.linear.linear(Args(operand, linear, exact.view(), epilogue));
    const Bf16 guard{0x4242};
    std::vector<Bf16> rounded(m * (n + 3), guard);
    LinearArgs args = Args(operand, linear, {}, epilogue);
    args.output = {.f32 = {}, .bf16 = {rounded.data(), m, n, n + 3}};
    kernels_.linear.linear(args);
    for (size_t i = 0; i < m; ++i) {
      for (size_t j = 0; j < n; ++j)
        ASSERT_EQ(rounded[i * (n + 3) + j].bits, Bf16::From(exact.view()(i, j)).bits);
      for (size_t j = n; j < n + 3; ++j) ASSERT_EQ(rounded[i * (n + 3) + j].bits, guard.bits);
    }
  }
}

// A column's sums do not depend on its place in a panel.
TEST_P(Linear, AGatedProductIsTheProductOfTwo) {
  const size_t m = 15, k = 40;
  for (const size_t n : {1, 7, 8, 16, 33, 64}) {
    TestMatrix weights = TestMatrix(2 * n, k, k).Fill(generator_, 0.5f);
    TestMatrix biases = TestMatrix(1, 2 * n, 2 * n).Fill(generator_);
    TestMatrix input = TestMatrix(m, k, k).Fill(generator_);
    const MatrixView<const float> weight = weights.view(), bias = biases.view();
    const TestLinear gate(kernels_, weight.Rows(0, n), bias.row(0).first(n));
    const TestLinear values(kernels_, weight.Rows(n, n), bias.row(0).last(n));
    const TestGated gated(kernels_, weight, bias.row(0));
    const TestOperand operand(kernels_, input.view());
    for (const Epilogue epilogue : {Epilogue::kStore, Epilogue::kGelu, Epilogue::kGeluTanh,
                                    Epilogue::kRelu, Epilogue::kSilu}) {
      SCOPED_TRACE(testing::Message() << "n " << n << " epilogue " << static_cast<int>(epilogue));
      TestMatrix gates(m, n, n), plain(m, n, n), both(m, n, n + 3);
      kernels_.linear.linear(Args(operand, gate, gates.view(), epilogue));
      kernels_.linear.linear(Args(operand, values, plain.view()));
      kernels_.linear.linear({.input = operand.operand(),
                              .linear = gated.packed(),
                              .output = {.f32 = both.view(), .bf16 = {}},
                              .epilogue = epilogue,
                              .first_panel = 0,
                              .last_panel = NumPanels(kernels_, gated.packed())});
      EXPECT_TRUE(both.GuardsIntact());
      for (size_t i = 0; i < m; ++i) {
        for (size_t j = 0; j < n; ++j)
          ASSERT_EQ(both.view()(i, j), gates.view()(i, j) * plain.view()(i, j));
      }
    }
  }
}

TEST_P(Linear, ARowHasTheSameBitsWhateverItsCompany) {
  const size_t n = 70, k = 129, rows = 40;
  TestMatrix weight = TestMatrix(n, k, k).Fill(generator_);
  TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
  TestMatrix input = TestMatrix(rows, k, k).Fill(generator_);
  const TestLinear linear(kernels_, weight.view(), bias.view().row(0));
  const auto run = [&](size_t first, size_t count, TestMatrix& output) {
    const TestOperand operand(kernels_, MatrixView<const float>(input.view()).Rows(first, count));
    kernels_.linear.linear(Args(operand, linear, output.view(), Epilogue::kGelu));
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

// Depths at which a tier may walk many rows through k in parts, and a few at once.
TEST_P(Linear, ARowHasTheSameBitsAtEveryDepthWhateverItsCompany) {
  const size_t n = 161, rows = 75;  // An odd number of panels.
  for (const size_t k : {384, 511, 700, 768, 1536, 2000}) {
    TestMatrix weight = TestMatrix(2 * n, k, k).Fill(generator_, 0.5f);
    TestMatrix bias = TestMatrix(1, 2 * n, 2 * n).Fill(generator_);
    TestMatrix input = TestMatrix(rows, k, k).Fill(generator_);
    const MatrixView<const float> weights = weight.view();
    const TestLinear plain(kernels_, weights.Rows(0, n), bias.view().row(0).first(n));
    const TestGated gated(kernels_, weights, bias.view().row(0));
    const auto run = [&](const kernels::PackedLinear& linear, size_t first, size_t count,
                         TestMatrix& output) {
      const TestOperand operand(kernels_, MatrixView<const float>(input.view()).Rows(first, count));
      kernels_.linear.linear({.input = operand.operand(),
                              .linear = linear,
                              .output = {.f32 = output.view(), .bf16 = {}},
                              .first_panel = 0,
                              .last_panel = NumPanels(kernels_, linear)});
    };
    for (const kernels::PackedLinear& linear : {plain.packed(), gated.packed()}) {
      TestMatrix all(rows, n, n);
      run(linear, 0, rows, all);
      for (const auto& [first, count] :
           {std::pair<size_t, size_t>(0, 1), {74, 1}, {30, 16}, {40, 32}, {10, 33}}) {
        TestMatrix part(count, n, n);
        run(linear, first, count, part);
        for (size_t i = 0; i < count; ++i) {
          ASSERT_TRUE(std::ranges::equal(part.view().row(i), all.view().row(first + i)))
              << "k " << k << (linear.gated ? ", gated," : "") << " row " << first + i
              << " computed among " << count;
        }
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
  const TestOperand operand(kernels_, input.view());
  TestMatrix whole(m, n, n), parts(m, n, n);
  const size_t panels = NumPanels(kernels_, n);
  const auto run = [&](size_t first, size_t last, TestMatrix& output) {
    LinearArgs args = Args(operand, linear, output.view());
    args.first_panel = first;
    args.last_panel = last;
    kernels_.linear.linear(args);
  };
  run(0, panels, whole);
  run(1, panels, parts);
  EXPECT_EQ(parts.view()(0, 0), TestMatrix::kGuard);
  run(0, 1, parts);
  for (size_t i = 0; i < m; ++i)
    EXPECT_TRUE(std::ranges::equal(parts.view().row(i), whole.view().row(i)));
}

TEST_P(LinearInF32, GeluStaysWithinItsErrorBoundOverTheWholeRange) {
  for (const Epilogue epilogue : {Epilogue::kGelu, Epilogue::kGeluTanh}) {
    ExpectEpilogueWithin(epilogue, 20.0f, 200001,
                         [](double x) { return 5e-7 + 2e-7 * std::abs(x); });
  }
}

class LinearOfAvx512 : public Linear {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LinearOfAvx512);  // Without such a CPU.

TEST_P(LinearOfAvx512, GeluByATableIsCloserThanItHasToBe) {
  ExpectEpilogueWithin(Epilogue::kGelu, 8.0f, 80001,
                       [](double x) { return 7e-8 + 6e-8 * std::max(x, 0.0); });
}

TEST_P(Linear, NanComesOutAsNanAndHugeStaysInItsRow) {
  const size_t n = 40, k = 20;
  TestMatrix weight = TestMatrix(n, k, k).Fill(generator_);
  TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
  TestMatrix input = TestMatrix(3, k, k).Fill(generator_);
  input.view()(1, 4) = std::numeric_limits<float>::quiet_NaN();
  input.view()(2, 3) = 1e30f;
  const TestLinear linear(kernels_, weight.view(), bias.view().row(0));
  const TestOperand operand(kernels_, input.view());
  for (const Epilogue epilogue :
       {Epilogue::kStore, Epilogue::kGelu, Epilogue::kGeluTanh, Epilogue::kRelu}) {
    TestMatrix output(3, n, n);
    kernels_.linear.linear(Args(operand, linear, output.view(), epilogue));
    for (size_t j = 0; j < n; ++j) {
      EXPECT_LT(std::abs(output.view()(0, j)), 100.0f);
      EXPECT_TRUE(std::isnan(output.view()(1, j)))
          << "column " << j << " epilogue " << static_cast<int>(epilogue);
      EXPECT_TRUE(std::isfinite(output.view()(2, j))) << output.view()(2, j);
    }
  }
}

// One value in each block is turned into a block of equal magnitudes: with 512 of them, every
// number of a group is the largest that there is, and so is the sum of their products.
TEST_P(Linear, TheLargestSumOfAGroupFits) {
  constexpr size_t kK = IntegerShape::kMaxGroup;
  TestMatrix weight(2, kK, kK), bias(1, 2, 2), input(1, kK, kK), output(1, 2, 2);
  for (TestMatrix* matrix : {&weight, &bias, &input})
    for (size_t i = 0; i < matrix->view().rows(); ++i)
      std::ranges::fill(matrix->view().row(i), 0.0f);
  for (size_t block = 0; block < kK; block += kMaxRotation) {
    input.view()(0, block) = weight.view()(0, block) = 1.0f;
    weight.view()(1, block) = -1.0f;
  }
  const TestLinear linear(kernels_, weight.view(), bias.view().row(0));
  kernels_.linear.linear(Args(TestOperand(kernels_, input.view()), linear, output.view()));
  EXPECT_NEAR(output.view()(0, 0), 4.0f, 1e-5f);
  EXPECT_NEAR(output.view()(0, 1), -4.0f, 1e-5f);
}

// Sums of integers are exact, and all else is the same code: these tiers may be mixed.
TEST(LinearOfAvxVnni, HasTheBitsOfAvx2) {
  std::mt19937 generator{7};
  for (const Precision precision : {Precision::kInt8, Precision::kInt16}) {
    const auto vnni = SelectKernels(Isa::kAvx2Vnni, precision);
    if (!vnni) GTEST_SKIP() << vnni.error().message();
    const Kernels avx2 = SelectKernels(Isa::kAvx2, precision).value();
    for (const size_t k : {1, 3, 64, 130, 384, 513, 1100}) {
      constexpr size_t kRows = 13, kColumns = 40;
      const TestMatrix weight = TestMatrix(kColumns, k, k).Fill(generator, 0.5f);
      const TestMatrix bias = TestMatrix(1, kColumns, kColumns).Fill(generator);
      const TestMatrix input = TestMatrix(kRows, k, k + 3).Fill(generator);
      const auto product = [&](const Kernels& kernels) {
        const TestLinear linear(kernels, weight.view(), bias.view().row(0));
        const TestOperand operand(kernels, input.view());
        std::vector<float> output(kRows * kColumns);
        kernels.linear.linear({.input = operand.operand(),
                               .linear = linear.packed(),
                               .output = {.f32 = {output.data(), kRows, kColumns}, .bf16 = {}},
                               .epilogue = Epilogue::kGelu,
                               .first_panel = 0,
                               .last_panel = NumPanels(kernels, kColumns)});
        return output;
      };
      EXPECT_EQ(product(*vnni), product(avx2)) << PrecisionName(precision) << ", k " << k;
    }
  }
}

TEST_P(Linear, ARowOfZerosGivesTheBias) {
  const size_t n = 40, k = 300;
  TestMatrix weight = TestMatrix(n, k, k).Fill(generator_);
  TestMatrix bias = TestMatrix(1, n, n).Fill(generator_);
  TestMatrix input(2, k, k), output(2, n, n);
  std::ranges::fill(input.view().row(0), 0.0f);
  std::ranges::fill(input.view().row(1), 1e-42f);  // Denormal: may count as zero, must not be more.
  const TestLinear linear(kernels_, weight.view(), bias.view().row(0));
  kernels_.linear.linear(Args(TestOperand(kernels_, input.view()), linear, output.view()));
  for (size_t j = 0; j < n; ++j) {
    EXPECT_EQ(output.view()(0, j), bias.view()(0, j));
    EXPECT_NEAR(output.view()(1, j), bias.view()(0, j), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Linear, testing::ValuesIn(UsableTierPrecisions()),
                         TierPrecisionTestName);

size_t RowBytes(const Kernels& kernels) {
  return TestOperand(kernels, TestMatrix(1, 64, 64).view()).operand().row_bytes;
}
INSTANTIATE_TEST_SUITE_P(Tiers, LinearOfRoundedRows,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           const Kernels scalar =
                               SelectKernels(Isa::kScalar, kernels.precision).value();
                           return RowBytes(kernels) == RowBytes(scalar);
                         })),
                         TierPrecisionTestName);
INSTANTIATE_TEST_SUITE_P(Tiers, LinearIntoBf16,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           return kernels.linear.operand == OperandKind::kBf16 ||
                                  kernels.attention_bf16.attention != nullptr;
                         })),
                         TierPrecisionTestName);
// AVX-512 and what is made of it.
INSTANTIATE_TEST_SUITE_P(Tiers, LinearOfAvx512,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           return kernels.requested == Precision::kF32 &&
                                  IsaName(kernels.isa).starts_with("avx512");
                         })),
                         TierPrecisionTestName);
INSTANTIATE_TEST_SUITE_P(Tiers, LinearInF32,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           return kernels.requested == Precision::kF32;
                         })),
                         TierPrecisionTestName);

}  // namespace
}  // namespace akin::kernels

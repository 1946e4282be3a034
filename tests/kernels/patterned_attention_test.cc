// Attention with windows, soft-caps, biases by distance and disentangled positions, against a sum
// in f64 on every tier.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "kernels/tiers.h"

namespace akin::kernels {
namespace {

// A pattern and the numbers that it points to.
struct TestPattern {
  size_t left = AttentionPattern<float>::kAll, right = AttentionPattern<float>::kAll;
  float softcap = 0.0f;
  bool distance_bias = false, position_key = false, position_query = false;
};

class PatternedAttention : public testing::TestWithParam<TierPrecision> {
 protected:
  Kernels kernels_ = SelectKernels(GetParam().isa, GetParam().precision).value();
  bool in_bf16_ = kernels_.attention_bf16.attention != nullptr;
  std::mt19937 generator_{13};

  // Rounded to what the kernel reads.
  TestMatrix Random(size_t rows, size_t cols, float scale = 1.0f) {
    TestMatrix matrix = TestMatrix(rows, cols, cols + 5).Fill(generator_, scale);
    for (size_t i = 0; in_bf16_ && i < rows; ++i) {
      for (float& x : matrix.view().row(i)) x = Bf16::From(x).ToFloat();
    }
    return matrix;
  }

  template <typename T>
  struct As {
    explicit As(const TestMatrix& from) : values(from.view().rows() * from.view().cols()) {
      for (size_t i = 0; i < from.view().rows(); ++i) {
        const std::span<const float> row = from.view().row(i);
        const auto out = values.begin() + static_cast<ptrdiff_t>(i * row.size());
        if constexpr (std::is_same_v<T, float>) {
          std::ranges::copy(row, out);
        } else {
          std::ranges::transform(row, out, Bf16::From);
        }
      }
      view = {values.data(), from.view().rows(), from.view().cols()};
    }
    std::vector<T> values;
    MatrixView<const T> view;
  };

  struct Case {
    TestMatrix qkv, position_key, position_query;
    std::vector<float> bias;    // [2 * length - 1]
    std::vector<int32_t> rows;  // [2 * length - 1]
    TestPattern pattern;
    size_t length, head_dim;
    float scale;
  };

  Case MakeCase(size_t length, size_t head_dim, const TestPattern& pattern) {
    constexpr size_t kSpan = 9;  // Distances beyond it share a row.
    Case c{.qkv = Random(length, 3 * head_dim),
           .position_key = Random(2 * kSpan, head_dim),
           .position_query = Random(2 * kSpan, head_dim),
           .bias = std::vector<float>(2 * length - 1),
           .rows = std::vector<int32_t>(2 * length - 1),
           .pattern = pattern,
           .length = length,
           .head_dim = head_dim,
           .scale = 1.0f / std::sqrt(3.0f * static_cast<float>(head_dim))};
    std::normal_distribution<float> normal;
    for (float& x : c.bias) x = normal(generator_);
    for (size_t i = 0; i < c.rows.size(); ++i) {
      const int distance = static_cast<int>(i) - static_cast<int>(length) + 1;
      c.rows[i] =
          std::clamp(distance + static_cast<int>(kSpan), 0, static_cast<int>(2 * kSpan) - 1);
    }
    return c;
  }

  template <typename T>
  void RunAs(const PatternedAttentionKernels<T>& attention, const Case& c,
             MatrixView<float> context) {
    const As<T> qkv(c.qkv), position_key(c.position_key), position_query(c.position_query);
    AttentionPattern<T> pattern{
        .left = c.pattern.left, .right = c.pattern.right, .softcap = c.pattern.softcap};
    if (c.pattern.distance_bias) pattern.distance_bias = c.bias.data() + c.length - 1;
    if (c.pattern.position_key || c.pattern.position_query)
      pattern.position_rows = c.rows.data() + c.length - 1;
    if (c.pattern.position_key) pattern.position_key = position_key.view;
    if (c.pattern.position_query) pattern.position_query = position_query.view;
    AlignedBuffer scratch(
        attention.scratch_floats(c.length, c.head_dim, c.position_key.view().rows()) *
        sizeof(float));
    std::ranges::fill(scratch.As<float>(), std::numeric_limits<float>::quiet_NaN());
    attention.attention({.query = qkv.view.Columns(0, c.head_dim),
                         .key = qkv.view.Columns(c.head_dim, c.head_dim),
                         .value = qkv.view.Columns(2 * c.head_dim, c.head_dim),
                         .context = {.f32 = context, .bf16 = {}},
                         .scale = c.scale,
                         .scratch = scratch.As<float>()},
                        pattern);
  }

  void Run(const Case& c, MatrixView<float> context) {
    if (in_bf16_) return RunAs<Bf16>(kernels_.patterned_attention_bf16, c, context);
    RunAs<float>(kernels_.patterned_attention, c, context);
  }

  static double Dot(MatrixView<const float> a, size_t i, MatrixView<const float> b, size_t j) {
    double dot = 0.0;
    for (size_t d = 0; d < a.cols(); ++d) dot += double{a(i, d)} * b(j, d);
    return dot;
  }

  static double Score(const Case& c, size_t i, size_t j) {
    const MatrixView<const float> qkv = c.qkv.view();
    const auto query = qkv.Columns(0, c.head_dim), key = qkv.Columns(c.head_dim, c.head_dim);
    const size_t row = static_cast<size_t>(c.rows[c.length - 1 + i - j]);
    double score = Dot(query, i, key, j);
    if (c.pattern.position_key) score += Dot(query, i, c.position_key.view(), row);
    if (c.pattern.position_query) score += Dot(key, j, c.position_query.view(), row);
    score *= double{c.scale};
    if (c.pattern.softcap > 0.0f)
      score = double{c.pattern.softcap} * std::tanh(score / double{c.pattern.softcap});
    return score + (c.pattern.distance_bias ? c.bias[c.length - 1 + j - i] : 0.0f);
  }

  void ExpectMatchesExact(size_t length, size_t head_dim, const TestPattern& pattern) {
    SCOPED_TRACE(testing::Message() << "length " << length << " head_dim " << head_dim << " left "
                                    << pattern.left << " right " << pattern.right);
    const Case c = MakeCase(length, head_dim, pattern);
    TestMatrix context(length, head_dim, head_dim + 9);
    Run(c, context.view());
    EXPECT_TRUE(context.GuardsIntact());
    const auto value = c.qkv.view().Columns(2 * head_dim, head_dim);
    for (size_t i = 0; i < length; ++i) {
      std::vector<double> exact(head_dim, 0.0);
      double sum = 0.0, largest = 0.0;
      for (size_t j = 0; j < length; ++j) {
        if (j + pattern.left < i || j > i + pattern.right) continue;
        const double weight = std::exp(Score(c, i, j));
        sum += weight;
        for (size_t d = 0; d < head_dim; ++d) {
          exact[d] += weight * value(j, d);
          largest = std::max(largest, std::abs(double{value(j, d)}));
        }
      }
      for (size_t d = 0; d < head_dim; ++d) {
        ASSERT_NEAR(context.view()(i, d), exact[d] / sum,
                    8e-6 * (1.0 + largest) + (in_bf16_ ? largest / 256.0 : 0.0))
            << "row " << i << " column " << d;
      }
    }
  }
};

constexpr size_t kLengths[] = {1, 2, 7, 15, 16, 17, 31, 33, 64, 70, 131};

TEST_P(PatternedAttention, WithoutARuleIsAttention) {
  for (const size_t length : kLengths) ExpectMatchesExact(length, 24, {});
}

TEST_P(PatternedAttention, CausalQueriesSeeNoLaterKey) {
  for (const size_t length : kLengths) ExpectMatchesExact(length, 32, {.right = 0});
}

TEST_P(PatternedAttention, WindowsOfEveryWidthCutOnBothSides) {
  for (const size_t length : {1, 17, 70}) {
    for (const size_t left : {0, 1, 7, 16, 40}) {
      for (const size_t right : {0, 1, 7, 16, 40})
        ExpectMatchesExact(length, 16, {.left = left, .right = right});
    }
  }
}

TEST_P(PatternedAttention, SoftCapBendsScoresBeforeTheBias) {
  for (const float softcap : {0.5f, 5.0f, 50.0f}) {
    ExpectMatchesExact(33, 24, {.softcap = softcap});
    ExpectMatchesExact(33, 24, {.softcap = softcap, .distance_bias = true});
  }
}

TEST_P(PatternedAttention, BiasIsByDistance) {
  for (const size_t length : kLengths) {
    ExpectMatchesExact(length, 40, {.distance_bias = true});
    ExpectMatchesExact(length, 40, {.left = 5, .right = 3, .distance_bias = true});
  }
}

TEST_P(PatternedAttention, DisentangledPositionsAreLookedUpByDistance) {
  for (const size_t length : kLengths) {
    ExpectMatchesExact(length, 12, {.position_key = true});
    ExpectMatchesExact(length, 12, {.position_query = true});
    ExpectMatchesExact(length, 12, {.position_key = true, .position_query = true});
  }
}

TEST_P(PatternedAttention, KeysOutOfSightAreNotRead) {
  const size_t length = 60, head_dim = 32;
  Case c = MakeCase(length, head_dim, {.left = 3, .right = 0});
  TestMatrix before(length, head_dim, head_dim), after(length, head_dim, head_dim);
  Run(c, before.view());
  c.qkv.view()(59, head_dim) =
      std::numeric_limits<float>::quiet_NaN();  // A key that only row 59 sees.
  Run(c, after.view());
  for (size_t i = 0; i + 1 < length; ++i)
    ASSERT_TRUE(std::ranges::equal(before.view().row(i), after.view().row(i))) << i;
  EXPECT_TRUE(std::isnan(after.view()(59, 0)));
}

INSTANTIATE_TEST_SUITE_P(Tiers, PatternedAttention,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           return kernels.requested == Precision::kF32 ||
                                  kernels.requested == Precision::kBf16;
                         })),
                         TierPrecisionTestName);

}  // namespace
}  // namespace akin::kernels

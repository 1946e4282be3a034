#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/tiers.h"

namespace akin::kernels {
namespace {

// softmax(query x key^T * scale) x value in f64.
std::vector<double> ExactAttention(MatrixView<const float> query, MatrixView<const float> key,
                                   MatrixView<const float> value, double scale) {
  const size_t length = query.rows(), head_dim = query.cols();
  std::vector<double> context(length * head_dim, 0.0), scores(length);
  for (size_t i = 0; i < length; ++i) {
    for (size_t j = 0; j < length; ++j) {
      scores[j] = 0.0;
      for (size_t d = 0; d < head_dim; ++d) scores[j] += double{query(i, d)} * key(j, d) * scale;
    }
    const double max = *std::ranges::max_element(scores);
    double sum = 0.0;
    for (double& score : scores) sum += score = std::exp(score - max);
    for (size_t j = 0; j < length; ++j) {
      for (size_t d = 0; d < head_dim; ++d)
        context[i * head_dim + d] += scores[j] / sum * value(j, d);
    }
  }
  return context;
}

class Attention : public testing::TestWithParam<Isa> {
 protected:
  Kernels kernels_ = SelectKernels(GetParam()).value();
  std::mt19937 generator_{11};

  void Run(MatrixView<const float> qkv, size_t head_dim, float scale, MatrixView<float> context) {
    AlignedBuffer scratch(kernels_.attention_scratch_floats(qkv.rows(), head_dim) * sizeof(float));
    // Whatever was in the scratch before must not matter.
    std::ranges::fill(scratch.As<float>(), std::numeric_limits<float>::quiet_NaN());
    kernels_.attention({.query = qkv.Columns(0, head_dim),
                        .key = qkv.Columns(head_dim, head_dim),
                        .value = qkv.Columns(2 * head_dim, head_dim),
                        .context = context,
                        .scale = scale,
                        .scratch = scratch.As<float>()});
  }

  void ExpectMatchesExact(size_t length, size_t head_dim, float query_scale = 1.0f) {
    SCOPED_TRACE(testing::Message() << "length " << length << " head_dim " << head_dim);
    TestMatrix qkv =
        TestMatrix(length, 3 * head_dim, 3 * head_dim + 7).Fill(generator_, query_scale);
    TestMatrix context(length, head_dim, head_dim + 9);
    const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
    Run(qkv.view(), head_dim, scale, context.view());
    EXPECT_TRUE(context.GuardsIntact());
    const MatrixView<const float> in = qkv.view();
    const std::vector<double> exact =
        ExactAttention(in.Columns(0, head_dim), in.Columns(head_dim, head_dim),
                       in.Columns(2 * head_dim, head_dim), scale);
    // A score's rounding error is relative to its terms, and a softmax turns it into a relative
    // error of the weight.
    const double bound = 2e-6 * query_scale * (1.0 + query_scale * query_scale);
    for (size_t i = 0; i < length; ++i) {
      for (size_t d = 0; d < head_dim; ++d) {
        ASSERT_NEAR(context.view()(i, d), exact[i * head_dim + d], bound)
            << "row " << i << " column " << d;
      }
    }
  }
};

TEST_P(Attention, MatchesExactOnEveryShortLength) {
  for (size_t length = 1; length <= 70; ++length) ExpectMatchesExact(length, 32);
}

TEST_P(Attention, MatchesExactOnHeadSizesThatFitNoRegister) {
  for (const size_t head_dim : {1, 8, 12, 16, 24, 33, 40, 64, 80, 128}) {
    for (const size_t length : {1, 13, 30}) ExpectMatchesExact(length, head_dim);
  }
}

TEST_P(Attention, MatchesExactOnALongText) { ExpectMatchesExact(512, 32); }

TEST_P(Attention, ScoresFarApartDoNotOverflow) {
  ExpectMatchesExact(20, 32, 12.0f);  // Scores of several hundred: exp of them has no f32.
}

TEST_P(Attention, NanInOneKeyIsSeenByEveryQuery) {
  const size_t length = 20, head_dim = 32;
  TestMatrix qkv = TestMatrix(length, 3 * head_dim, 3 * head_dim).Fill(generator_);
  qkv.view()(3, head_dim + 1) = std::numeric_limits<float>::quiet_NaN();
  TestMatrix context(length, head_dim, head_dim);
  Run(qkv.view(), head_dim, 1.0f, context.view());
  for (size_t i = 0; i < length; ++i) {
    EXPECT_TRUE(std::ranges::any_of(context.view().row(i), [](float x) { return std::isnan(x); }))
        << "row " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Attention, testing::ValuesIn(UsableIsas()), IsaTestName);

}  // namespace
}  // namespace akin::kernels

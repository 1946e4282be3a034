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

// In f32, and in bf16 where the tier has it.
class Attention : public testing::TestWithParam<TierPrecision> {
 protected:
  Kernels kernels_ = SelectKernels(GetParam().isa, GetParam().precision).value();
  bool in_bf16_ = kernels_.attention_bf16.attention != nullptr;
  std::mt19937 generator_{11};

  template <typename T>
  void RunAs(const AttentionKernels<T>& attention, MatrixView<const T> qkv, size_t head_dim,
             float scale, MatrixView<float> context) {
    AlignedBuffer scratch(attention.scratch_floats(qkv.rows(), head_dim) * sizeof(float));
    // Whatever was in the scratch before must not matter.
    std::ranges::fill(scratch.As<float>(), std::numeric_limits<float>::quiet_NaN());
    attention.attention({.query = qkv.Columns(0, head_dim),
                         .key = qkv.Columns(head_dim, head_dim),
                         .value = qkv.Columns(2 * head_dim, head_dim),
                         .context = {.f32 = context, .bf16 = {}},
                         .scale = scale,
                         .scratch = scratch.As<float>()});
  }

  // Values in the type that the kernel reads.
  void Run(MatrixView<const float> qkv, size_t head_dim, float scale, MatrixView<float> context) {
    if (!in_bf16_) return RunAs<float>(kernels_.attention, qkv, head_dim, scale, context);
    std::vector<Bf16> rounded(qkv.rows() * (qkv.cols() + 5));
    const MatrixView<Bf16> view(rounded.data(), qkv.rows(), qkv.cols(), qkv.cols() + 5);
    for (size_t i = 0; i < qkv.rows(); ++i)
      std::ranges::transform(qkv.row(i), view.row(i).begin(), Bf16::From);
    RunAs<Bf16>(kernels_.attention_bf16, view, head_dim, scale, context);
  }

  void ExpectMatchesExact(size_t length, size_t head_dim, float query_scale = 1.0f) {
    SCOPED_TRACE(testing::Message() << "length " << length << " head_dim " << head_dim);
    TestMatrix qkv =
        TestMatrix(length, 3 * head_dim, 3 * head_dim + 7).Fill(generator_, query_scale);
    if (in_bf16_) {
      // The rounding of the input is not the kernel's.
      for (size_t i = 0; i < length; ++i) {
        for (float& x : qkv.view().row(i)) x = Bf16::From(x).ToFloat();
      }
    }
    TestMatrix context(length, head_dim, head_dim + 9);
    const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
    Run(qkv.view(), head_dim, scale, context.view());
    EXPECT_TRUE(context.GuardsIntact());
    const MatrixView<const float> in = qkv.view();
    const std::vector<double> exact =
        ExactAttention(in.Columns(0, head_dim), in.Columns(head_dim, head_dim),
                       in.Columns(2 * head_dim, head_dim), scale);
    double largest = 0.0;
    for (size_t i = 0; i < length; ++i) {
      for (const float v : in.Columns(2 * head_dim, head_dim).row(i))
        largest = std::max(largest, std::abs(double{v}));
    }
    // A score's rounding error is relative to its terms, and a softmax turns it into a relative
    // error of the weight. In bf16 every weight is off by half a unit of eight bits, 2^-8.
    const double bound =
        2e-6 * query_scale * (1.0 + query_scale * query_scale) + (in_bf16_ ? largest / 256.0 : 0.0);
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
    for (const size_t length : {1, 13, 30, 47}) ExpectMatchesExact(length, head_dim);
  }
}

TEST_P(Attention, MatchesExactOnALongText) { ExpectMatchesExact(512, 32); }

TEST_P(Attention, ScoresFarApartDoNotOverflow) {
  ExpectMatchesExact(20, 32, 12.0f);  // Scores of several hundred: exp of them has no f32.
}

TEST_P(Attention, MatchesExactOnEitherSideOfTheBoundOfScores) {
  // |q| |k| of 20 to 300 in units of log 2: with and without the largest score.
  for (const float scale : {2.5f, 3.0f, 3.5f, 4.0f, 4.5f, 5.0f, 7.0f})
    ExpectMatchesExact(45, 32, scale);
}

TEST_P(Attention, ScoresThatAreAllFarBelowZeroGiveTheMean) {
  // Every score is -32 x 1.25 = -40, as large as the bound allows: exp of it is 4e-18.
  const size_t length = 41, head_dim = 32;
  TestMatrix qkv(length, 3 * head_dim, 3 * head_dim), context(length, head_dim, head_dim);
  double mean = 0.0;
  for (size_t i = 0; i < length; ++i) {
    for (size_t d = 0; d < head_dim; ++d) {
      qkv.view()(i, d) = 1.25f;
      qkv.view()(i, head_dim + d) = -1.0f;
      qkv.view()(i, 2 * head_dim + d) = static_cast<float>(i) / 4.0f;  // As good in bf16.
    }
    mean += static_cast<double>(i) / 4.0 / static_cast<double>(length);
  }
  Run(qkv.view(), head_dim, 1.0f, context.view());
  for (size_t i = 0; i < length; ++i) {
    for (size_t d = 0; d < head_dim; ++d)
      ASSERT_NEAR(context.view()(i, d), mean, in_bf16_ ? 2e-2 : 1e-5) << i << ' ' << d;
  }
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

// Grouped queries: the second head finds the keys and values packed, and gives the bits that it
// gives alone.
template <typename T>
void ExpectSameBitsWithPackedKeys(const AttentionKernels<T>& attention, MatrixView<const T> rows,
                                  size_t head_dim, bool packs) {
  const size_t length = rows.rows();
  const auto column = [&](size_t i) { return rows.Columns(i * head_dim, head_dim); };
  const std::vector<T> nothing(length * head_dim, rows(0, 4 * head_dim));  // A NaN.
  const MatrixView<const T> nan(nothing.data(), length, head_dim);
  // As long as the keys, which may be asked for, and far from them.
  std::vector<T> turned;
  for (size_t i = 0; i < length; ++i) {
    for (const T x : column(2).row(i)) {
      if constexpr (std::is_same_v<T, float>)
        turned.push_back(-x);
      else
        turned.push_back(Bf16::From(-x.ToFloat()));
    }
  }
  AlignedBuffer memory(attention.scratch_floats(length, head_dim) * sizeof(float));
  TestMatrix first(length, head_dim, head_dim), alone(length, head_dim, head_dim),
      second(length, head_dim, head_dim);
  AttentionArgs<T> args{.query = column(1),
                        .key = column(2),
                        .value = column(3),
                        .context = {.f32 = alone.view(), .bf16 = {}},
                        .scale = 0.2f,
                        .scratch = memory.As<float>()};
  attention.attention(args);
  args.query = column(0);
  args.context.f32 = first.view();
  attention.attention(args);
  args.query = column(1);
  args.context.f32 = second.view();
  args.scratch_has_keys = true;
  args.next = {column(0), column(2).Rows(0, length / 2), {}};  // Advice.
  if (packs) {                                                 // Not packed again.
    args.key = {turned.data(), length, head_dim};
    args.value = nan;
  }
  attention.attention(args);
  for (size_t i = 0; i < length; ++i) {
    for (size_t d = 0; d < head_dim; ++d) ASSERT_EQ(second.view()(i, d), alone.view()(i, d));
  }
}

TEST_P(Attention, KeysArePackedOnceForTheHeadsThatShareThem) {
  const bool packs = kernels_.isa != Isa::kScalar;
  for (const size_t length : {1, 13, 40, 133}) {
    const size_t head_dim = 24, columns = 4 * head_dim + 1;
    TestMatrix rows = TestMatrix(length, columns, columns).Fill(generator_);
    rows.view()(0, columns - 1) = std::numeric_limits<float>::quiet_NaN();
    if (!in_bf16_) {
      ExpectSameBitsWithPackedKeys<float>(kernels_.attention, rows.view(), head_dim, packs);
      continue;
    }
    std::vector<Bf16> rounded(length * columns);
    for (size_t i = 0; i < length; ++i)
      std::ranges::transform(rows.view().row(i), rounded.begin() + static_cast<long>(i * columns),
                             Bf16::From);
    ExpectSameBitsWithPackedKeys<Bf16>(kernels_.attention_bf16, {rounded.data(), length, columns},
                                       head_dim, packs);
  }
}

class AttentionInBf16 : public Attention {};

TEST_P(AttentionInBf16, ContextInBf16IsTheRoundedOne) {
  const size_t length = 37, head_dim = 40;
  TestMatrix qkv = TestMatrix(length, 3 * head_dim, 3 * head_dim).Fill(generator_);
  std::vector<Bf16> in(length * 3 * head_dim), out(length * head_dim);
  for (size_t i = 0; i < length; ++i)
    std::ranges::transform(qkv.view().row(i), in.begin() + static_cast<long>(i * 3 * head_dim),
                           Bf16::From);
  const MatrixView<const Bf16> view(in.data(), length, 3 * head_dim);
  TestMatrix exact(length, head_dim, head_dim);
  RunAs<Bf16>(kernels_.attention_bf16, view, head_dim, 0.2f, exact.view());
  AlignedBuffer scratch(kernels_.attention_bf16.scratch_floats(length, head_dim) * sizeof(float));
  kernels_.attention_bf16.attention({.query = view.Columns(0, head_dim),
                                     .key = view.Columns(head_dim, head_dim),
                                     .value = view.Columns(2 * head_dim, head_dim),
                                     .context = {.f32 = {}, .bf16 = {out.data(), length, head_dim}},
                                     .scale = 0.2f,
                                     .scratch = scratch.As<float>()});
  for (size_t i = 0; i < length; ++i) {
    for (size_t d = 0; d < head_dim; ++d)
      ASSERT_EQ(out[i * head_dim + d].bits, Bf16::From(exact.view()(i, d)).bits);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Attention,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           return kernels.requested == Precision::kF32 ||
                                  kernels.requested == Precision::kBf16;
                         })),
                         TierPrecisionTestName);
INSTANTIATE_TEST_SUITE_P(Tiers, AttentionInBf16,
                         testing::ValuesIn(TierPrecisionsWhere([](const Kernels& kernels) {
                           return kernels.requested == Precision::kBf16 &&
                                  kernels.attention_bf16.attention != nullptr;
                         })),
                         TierPrecisionTestName);

}  // namespace
}  // namespace akin::kernels

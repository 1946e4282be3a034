#include "pooling/pooling.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

namespace akin::pooling {
namespace {

class Pooling : public testing::Test {
 protected:
  // Three tokens of two values.
  std::array<float, 6> values_ = {1.0f, -2.0f, 3.0f, 4.0f, 5.0f, -8.0f};
  MatrixView<const float> states_{values_.data(), 3, 2};

  std::vector<float> Run(std::vector<PoolingMode> modes, size_t first_position = 0) {
    std::vector<float> vector(modes.size() * 2, -99.0f);
    Pool(modes, states_, first_position, vector);
    return vector;
  }
};

TEST_F(Pooling, ClsIsTheFirstToken) {
  EXPECT_EQ(Run({PoolingMode::kCls}), (std::vector<float>{1.0f, -2.0f}));
}

TEST_F(Pooling, LastTokenIsTheLastToken) {
  EXPECT_EQ(Run({PoolingMode::kLastToken}), (std::vector<float>{5.0f, -8.0f}));
}

TEST_F(Pooling, MaxIsTakenValueByValue) {
  EXPECT_EQ(Run({PoolingMode::kMax}), (std::vector<float>{5.0f, 4.0f}));
}

TEST_F(Pooling, MeanIsTheSumOverTheLength) {
  EXPECT_EQ(Run({PoolingMode::kMean}), (std::vector<float>{3.0f, -2.0f}));
}

TEST_F(Pooling, MeanSqrtLenIsTheSumOverTheRootOfTheLength) {
  const std::vector<float> vector = Run({PoolingMode::kMeanSqrtLen});
  EXPECT_FLOAT_EQ(vector[0], 9.0f / std::sqrt(3.0f));
  EXPECT_FLOAT_EQ(vector[1], -6.0f / std::sqrt(3.0f));
}

TEST_F(Pooling, WeightedMeanWeighsByPosition) {
  const std::vector<float> vector = Run({PoolingMode::kWeightedMean});
  EXPECT_FLOAT_EQ(vector[0], (1.0f + 2.0f * 3.0f + 3.0f * 5.0f) / 6.0f);
  EXPECT_FLOAT_EQ(vector[1], (-2.0f + 2.0f * 4.0f - 3.0f * 8.0f) / 6.0f);
}

TEST_F(Pooling, WeightedMeanKeepsThePlacesOfWhatIsLeftOut) {
  const std::vector<float> vector = Run({PoolingMode::kWeightedMean}, 4);
  EXPECT_FLOAT_EQ(vector[0], (5.0f + 6.0f * 3.0f + 7.0f * 5.0f) / 18.0f);
  EXPECT_FLOAT_EQ(vector[1], (5.0f * -2.0f + 6.0f * 4.0f - 7.0f * 8.0f) / 18.0f);
}

TEST_F(Pooling, SeveralModesAreJoined) {
  EXPECT_EQ(Run({PoolingMode::kCls, PoolingMode::kMean}),
            (std::vector<float>{1.0f, -2.0f, 3.0f, -2.0f}));
}

TEST_F(Pooling, OneTokenIsItsOwnMean) {
  states_ = {values_.data(), 1, 2};
  for (const PoolingMode mode :
       {PoolingMode::kCls, PoolingMode::kMax, PoolingMode::kMean, PoolingMode::kMeanSqrtLen,
        PoolingMode::kWeightedMean, PoolingMode::kLastToken}) {
    EXPECT_EQ(Run({mode}), (std::vector<float>{1.0f, -2.0f})) << PoolingModeName(mode);
  }
}

TEST(Normalize, MakesUnitLength) {
  std::array<float, 2> vector = {3.0f, 4.0f};
  Normalize(vector);
  EXPECT_FLOAT_EQ(vector[0], 0.6f);
  EXPECT_FLOAT_EQ(vector[1], 0.8f);
}

TEST(Normalize, ASecondTimeChangesNoBit) {
  std::mt19937 generator(5);
  std::normal_distribution<float> values;
  for (const size_t width : {3, 64, 384, 1024}) {
    for (int i = 0; i < 2000; ++i) {
      std::vector<float> vector(width);
      for (float& x : vector) x = 7.0f * values(generator);
      Normalize(vector);
      const std::vector<float> once = vector;
      Normalize(vector);
      ASSERT_EQ(vector, once) << "width " << width;
    }
  }
}

TEST(Normalize, ZerosStayZeros) {
  std::array<float, 3> vector = {0.0f, 0.0f, 0.0f};
  Normalize(vector);
  for (const float x : vector) EXPECT_EQ(x, 0.0f);
}

TEST(Normalize, TheNormIsFlooredAtTheReferencesBound) {
  std::array<float, 1> vector = {1e-13f};
  Normalize(vector);
  EXPECT_FLOAT_EQ(vector[0], 0.1f);
}

TEST(Normalize, HugeValuesDoNotOverflowTheirSquares) {
  std::array<float, 2> vector = {3e30f, 4e30f};
  Normalize(vector);
  EXPECT_FLOAT_EQ(vector[0], 0.6f);
}

}  // namespace
}  // namespace akin::pooling

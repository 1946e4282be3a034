#include "encoder/rotary_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

namespace akin::encoder {
namespace {

model::Rotary MakeRotary() {
  return {.rotary_dim = 4, .inverse_frequencies = {1.0f, 0.01f}, .attention_factor = 2.0f};
}

TEST(RotaryTable, RowsAreCosinesThenSinesOfTheirPosition) {
  const RotaryTable table(MakeRotary(), 1000);
  table.Reach(700);
  const MatrixView<const float> rows = table.Rows(700, 600, 100);
  for (size_t i = 0; i < 100; ++i) {
    const double position = static_cast<double>(600 + i);
    EXPECT_NEAR(rows(i, 0), 2.0 * std::cos(position), 1e-6);
    EXPECT_NEAR(rows(i, 1), 2.0 * std::cos(0.01 * position), 1e-5);
    EXPECT_NEAR(rows(i, 2), 2.0 * std::sin(position), 1e-6);
    EXPECT_NEAR(rows(i, 3), 2.0 * std::sin(0.01 * position), 1e-5);
  }
}

TEST(RotaryTable, LongSequencesHaveFrequenciesOfTheirOwn) {
  model::Rotary rotary = MakeRotary();
  rotary.long_inverse_frequencies = {0.5f, 0.005f};
  rotary.short_positions = 10;
  const RotaryTable table(rotary, 20);
  table.Reach(20);
  EXPECT_NEAR(table.Rows(10, 3, 1)(0, 0), 2.0 * std::cos(3.0), 1e-6);
  EXPECT_NEAR(table.Rows(11, 3, 1)(0, 0), 2.0 * std::cos(1.5), 1e-6);
}

TEST(RotaryTable, ThreadsThatReachTogetherSeeTheSameRows) {
  const RotaryTable table(MakeRotary(), 4096);
  std::vector<std::thread> threads;
  std::vector<float> last(4);
  for (size_t t = 0; t < last.size(); ++t) {
    threads.emplace_back([&, t] {
      table.Reach(4096);
      last[t] = table.Rows(4096, 4095, 1)(0, 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const float value : last) EXPECT_NEAR(value, 2.0 * std::cos(4095.0), 1e-6);
}

}  // namespace
}  // namespace akin::encoder

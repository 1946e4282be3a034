#include "encoder/word_rows.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace akin::encoder {
namespace {

constexpr int64_t kWords = 100, kSize = 7;

// Number i is i / 8; counts how often a row is made.
class CountingMaker : public model::TensorMaker {
 public:
  void Make(int64_t first, std::span<float> out) const override {
    ++made;
    for (size_t j = 0; j < out.size(); ++j)
      out[j] = static_cast<float>(first + static_cast<int64_t>(j)) / 8;
  }
  mutable std::atomic<int> made{0};
};

struct Table {
  std::shared_ptr<CountingMaker> maker = std::make_shared<CountingMaker>();
  model::Tensor tensor{
      .name = "words", .file = {}, .shape = {kWords, kSize}, .bytes = {}, .maker = maker};
};

void ExpectRow(const WordRows& rows, int32_t id) {
  std::vector<float> room(kSize, -1.0f);
  const float* const row = rows.Row(id, room);
  for (int64_t j = 0; j < kSize; ++j)
    ASSERT_EQ(row[j], static_cast<float>(id * kSize + j) / 8) << "row " << id << " column " << j;
}

TEST(WordRows, AreReadOnceAndKept) {
  const Table table;
  const WordRows rows(table.tensor);
  for (int round = 0; round < 3; ++round) {
    for (int32_t id = 0; id < kWords; ++id) ExpectRow(rows, id);
  }
  EXPECT_EQ(table.maker->made, kWords);
}

TEST(WordRows, AreReadEveryTimeWhereThereIsNoMoreRoom) {
  const Table table;
  const WordRows rows(table.tensor, 10 * kSize * sizeof(float));
  for (int round = 0; round < 3; ++round) {
    for (int32_t id = kWords; id-- > 0;) ExpectRow(rows, id);
  }
  EXPECT_EQ(table.maker->made, kWords + 2 * (kWords - 10));
}

TEST(WordRows, AreNeverKeptWithoutRoom) {
  const Table table;
  const WordRows rows(table.tensor, kSize * sizeof(float) - 1);
  for (int round = 0; round < 2; ++round) ExpectRow(rows, 3);
  EXPECT_EQ(table.maker->made, 2);
}

TEST(WordRows, AreWholeForEveryThread) {
  for (int round = 0; round < 50; ++round) {
    const Table table;
    const WordRows rows(table.tensor, 60 * kSize * sizeof(float));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int again = 0; again < 3; ++again) {
          for (int32_t id = 0; id < kWords; ++id) ExpectRow(rows, id);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace akin::encoder

#include "server/keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace akin::server {
namespace {

TEST(Keys, OnlyTheWholeKeyIsEqual) {
  const std::vector<std::string> keys = {"first-key", "second-key"};
  EXPECT_TRUE(IsOneOf("first-key", keys));
  EXPECT_TRUE(IsOneOf("second-key", keys));
  for (const char* wrong :
       {"", "f", "first-ke", "first-keyy", "first-keyfirst-key", "FIRST-KEY", "xirst-key"})
    EXPECT_FALSE(IsOneOf(wrong, keys)) << wrong;
  EXPECT_FALSE(IsOneOf("anything", {}));
}

// The times of 100,000 tries each with a key that is wrong in its first byte and one that is wrong
// in its last, in turn. A comparison that stops at the first difference is some thirty times
// quicker for the former; here the medians differ by noise only, and the bound lies far from both.
TEST(Keys, ADifferenceAtTheStartTakesAsLongAsOneAtTheEnd) {
  const std::string key(512, 'k');
  std::string early = key, late = key;
  early.front() = 'x';
  late.back() = 'x';
  std::vector<double> early_ns, late_ns;
  bool found = false;
  for (int round = 0; round < 200; ++round) {
    for (auto* const times : {&early_ns, &late_ns}) {
      const std::string& given = times == &early_ns ? early : late;
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 500; ++i) found |= EqualInConstantTime(given, key);
      const std::chrono::duration<double, std::nano> time =
          std::chrono::steady_clock::now() - start;
      times->push_back(time.count() / 500);
    }
  }
  EXPECT_FALSE(found);
  const auto median = [](std::vector<double> times) {
    std::ranges::nth_element(times, times.begin() + static_cast<ptrdiff_t>(times.size() / 2));
    return times[times.size() / 2];
  };
  std::printf("wrong at the start: %.0f ns, at the end: %.0f ns\n", median(early_ns),
              median(late_ns));
  EXPECT_LT(median(late_ns), 3 * median(early_ns));
  EXPECT_LT(median(early_ns), 3 * median(late_ns));
}

}  // namespace
}  // namespace akin::server

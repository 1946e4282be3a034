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

TEST(Keys, AFileHasOneALine) {
  const std::vector<std::string> expected = {"first", "second", "a key of words", "last#"};
  EXPECT_EQ(ParseKeyFile(
                "\xEF\xBB\xBF  first\t\r\n\n# none\n second \n \t\n  # none\na key of words\nlast#")
                .value(),
            expected);
  EXPECT_TRUE(ParseKeyFile("").value().empty());
  EXPECT_TRUE(ParseKeyFile("\xEF\xBB\xBF\n\n").value().empty());
  EXPECT_EQ(ParseKeyFile("schl\xC3\xBCssel").value()[0], "schl\xC3\xBCssel");
}

TEST(Keys, WhatNoHeaderCanHoldIsRefusedWithItsLineAndNotShown) {
  const std::string secret = "secret";
  for (const std::string& wrong : {"one\n\n " + secret + '\0' + "x\n", "one\n\n" + secret + "\x7F",
                                   "\xEF\xBB\xBFone\r\n# two\r\n" + secret + "\rx\r\n",
                                   "one\n\n" + secret + std::string(9000, 'k')}) {
    const auto keys = ParseKeyFile(wrong);
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code(), ErrorCode::kInvalidInput);
    EXPECT_TRUE(keys.error().message().starts_with("line 3: the key has "))
        << keys.error().message();
    EXPECT_EQ(keys.error().message().find(secret), std::string::npos);
  }
  // What Windows' shell writes into a file.
  EXPECT_FALSE(
      ParseKeyFile(std::string("\xFF\xFE"
                               "o\0n\0e\0",
                               8)));
  EXPECT_FALSE(ParseKey(" \n"));
  EXPECT_EQ(ParseKey("\tkey\n").value(), "key");
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

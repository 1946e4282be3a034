#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

namespace akin {

// `body` takes less than `seconds`, or, where AKIN_TEST_SLOW says that programs are slower
// (sanitizers), that many times as long. For what would take minutes if it were not linear.
template <typename Body>
void ExpectWithin(double seconds, Body&& body) {
  const char* slow = std::getenv("AKIN_TEST_SLOW");
  const double limit = seconds * (slow == nullptr ? 1 : std::max(1.0, std::atof(slow)));
  const auto start = std::chrono::steady_clock::now();
  body();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  EXPECT_LT(taken.count(), limit);
}

}  // namespace akin

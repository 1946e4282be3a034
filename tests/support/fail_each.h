// Memory that runs out at each allocation in turn.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>

namespace akin {

// Calls `act(n)` for n = 1, 2 and so on, whose allocation `n` is to fail, until it says that there
// was none left to fail, for fewer than `most` of them. `least` of them have to fail before.
template <typename Act>
void FailEach(size_t least, const Act& act, size_t most = 500) {
  size_t n = 1;
  for (bool failed = true; failed; ++n) {
    ASSERT_LT(n, most);
    failed = act(n);
  }
  EXPECT_GE(n - 2, least) << "too few allocations have failed";
}

}  // namespace akin

#include "base/cpu_affinity.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <thread>

#include "support/expect_error.h"

namespace akin {
namespace {

TEST(CpuAffinity, AThreadIsHeldOnTheCpuItIsPinnedTo) {
  const std::vector<int> cpus = AllowedCpus();
  ASSERT_FALSE(cpus.empty());
  EXPECT_TRUE(std::ranges::is_sorted(cpus));
  std::thread([&] {  // One of our own: the test's keeps its freedom.
    for (const int cpu : cpus) {
      ASSERT_TRUE(PinThisThread(cpu));
      EXPECT_EQ(AllowedCpus(), std::vector<int>{cpu});
      EXPECT_EQ(CurrentCpu(), cpu);
    }
  })
      .join();
  EXPECT_EQ(AllowedCpus(), cpus);
}

TEST(CpuAffinity, ACpuThatIsNotThereChangesNothing) {
  const std::vector<int> cpus = AllowedCpus();
  EXPECT_FALSE(PinThisThread(-1));
  EXPECT_FALSE(PinThisThread(1 << 19));
  EXPECT_EQ(AllowedCpus(), cpus);
}

TEST(CpuAffinity, TheEnvironmentSaysYesOrNo) {
  const auto wants = [](const char* value) {
    setenv("AKIN_PIN_THREADS", value, 1);
    Result<bool> wanted = WantsPinnedThreads();
    unsetenv("AKIN_PIN_THREADS");
    return wanted;
  };
  EXPECT_FALSE(wants("").value());
  EXPECT_FALSE(wants("0").value());
  EXPECT_TRUE(wants("1").value());
  ExpectError(wants("yes"), ErrorCode::kInvalidInput, "AKIN_PIN_THREADS is 'yes', expected 0 or 1");
}

}  // namespace
}  // namespace akin

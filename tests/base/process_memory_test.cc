#include "base/process_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace akin {
namespace {

TEST(ProcessMemory, LinesOfKilobytesAreFoundByTheirNames) {
  constexpr char kText[] = "Name:\takin\nVmHWM:\t   13964 kB\nVmRSS:\t 17 kB\nBad: x kB\nRss:\n";
  EXPECT_EQ(KilobytesOf(kText, "VmHWM:"), 13964 << 10);
  EXPECT_EQ(KilobytesOf(kText, "VmRSS:"), 17 << 10);
  for (const char* name : {"Bad:", "Rss:", "Anonymous:"}) EXPECT_EQ(KilobytesOf(kText, name), -1);
  EXPECT_EQ(KilobytesOf("", "VmHWM:"), -1);
}

TEST(ProcessMemory, OnlyMappingsOfFilesCount) {
  EXPECT_EQ(MappedFileBytes("55d0c0a00000-55d0c0a01000 r--p 00000000 fe:00 1234  /usr/bin/akin\n"
                            "55d0c0a01000-55d0c0a04000 r-xp 00001000 fe:00 1234  /usr/bin/akin\n"
                            "7f0000000000-7f0000010000 rw-p 00000000 00:00 0 \n"
                            "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0  [stack]\n"),
            0x4000);
  EXPECT_EQ(MappedFileBytes(""), 0);
}

TEST(ProcessMemory, GrowsByWhatIsWritten) {
  const auto before = ReadProcessMemory();
  if (!before) GTEST_SKIP() << "the system does not say";
  constexpr size_t kBytes = size_t{32} << 20;
  std::vector<char> bytes(kBytes);
  std::memset(bytes.data(), 1, bytes.size());
  const auto after = ReadProcessMemory();
  ASSERT_TRUE(after);
  EXPECT_GE(after->anonymous_bytes, before->anonymous_bytes + int64_t{31} * (1 << 20)) << bytes[7];
  EXPECT_GE(after->peak_bytes, before->resident_bytes + int64_t{31} * (1 << 20));
  EXPECT_GT(after->program_file_bytes, 0);
}

}  // namespace
}  // namespace akin

#include "base/huge_pages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>

namespace akin {
namespace {

TEST(HugePages, WritableAnonymousMappingsAndTheHeapAreFound) {
  EXPECT_EQ(AnonymousRanges("1000-3000 rw-p 00000000 00:00 0 \n"
                            "4000-5000 r--p 00000000 00:00 0 \n"
                            "6000-7000 rw-p 00001000 fe:01 77                 /usr/lib/libc.so.6\n"
                            "8000-9000 rw-p 00000000 00:00 0                  [heap]\n"
                            "a000-b000 rw-p 00000000 00:00 0                  [stack]\n"
                            "c000-d000 rw-s 00000000 00:00 0 \n"
                            "nonsense\n\n"
                            "7f00c0000000-7f00c0002000 rw-p 00000000 00:00 0"),
            (std::vector<AddressRange>{
                {0x1000, 0x3000}, {0x8000, 0x9000}, {0x7f00c0000000, 0x7f00c0002000}}));
}

TEST(HugePages, WhatWasThereBeforeIsNotNew) {
  using Ranges = std::vector<AddressRange>;
  EXPECT_EQ(Added({}, {{1, 5}}), (Ranges{{1, 5}}));
  EXPECT_EQ(Added({{1, 5}}, {{1, 5}}), Ranges());
  // Grown at both ends and joined with a neighbour.
  EXPECT_EQ(Added({{3, 5}, {8, 9}}, {{1, 12}}), (Ranges{{1, 3}, {5, 8}, {9, 12}}));
  // Gone, shrunk, and a new one behind.
  EXPECT_EQ(Added({{1, 2}, {3, 9}}, {{4, 6}, {10, 11}}), (Ranges{{10, 11}}));
  // One old mapping that has a hole now.
  EXPECT_EQ(Added({{1, 9}}, {{1, 3}, {5, 9}}), Ranges());
}

TEST(HugePages, NewMemoryKeepsItsValues) {
  const NewMemory memory;
  constexpr size_t kBytes = size_t{64} << 20;
  const auto values = std::make_unique<unsigned char[]>(kBytes);
  std::memset(values.get(), 0x5A, kBytes);
#ifdef __linux__
  EXPECT_GE(memory.UseHugePages(), kBytes / 2);
#else
  EXPECT_EQ(memory.UseHugePages(), 0u);
#endif
  size_t equal = 0;
  for (size_t i = 0; i < kBytes; ++i) equal += values[i] == 0x5A ? 1 : 0;
  EXPECT_EQ(equal, kBytes);
}

}  // namespace
}  // namespace akin

#include "base/checksum.h"

#include <gtest/gtest.h>

#include <vector>

namespace akin {
namespace {

TEST(Checksum, SeesEveryChangedByteAndTheLength) {
  for (const size_t size : {1u, 7u, 64u, 65u, 200u}) {
    std::vector<std::byte> bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31 + 3) % 251);
    const uint64_t sum = Checksum(bytes);
    for (size_t i = 0; i < size; ++i) {
      bytes[i] ^= std::byte{1};
      EXPECT_NE(Checksum(bytes), sum) << size << ' ' << i;
      bytes[i] ^= std::byte{1};
    }
    bytes.push_back(std::byte{0});
    EXPECT_NE(Checksum(bytes), sum);
  }
}

}  // namespace
}  // namespace akin

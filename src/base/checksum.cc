#include "base/checksum.h"

#include <array>
#include <cstring>

namespace akin {

uint64_t Checksum(std::span<const std::byte> bytes) {
  // Eight sums side by side, so that a multiplication does not wait for the one before it.
  constexpr uint64_t kPrime = 0x9E3779B185EBCA87u;
  std::array<uint64_t, 8> sums = {1, 2, 3, 4, 5, 6, 7, 8};
  constexpr size_t kBlock = sizeof sums;
  size_t at = 0;
  for (; at + kBlock <= bytes.size(); at += kBlock) {
    std::array<uint64_t, 8> words;
    std::memcpy(words.data(), bytes.data() + at, kBlock);
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i] = (sums[i] ^ words[i]) * kPrime;
      sums[i] ^= sums[i] >> 29;
    }
  }
  uint64_t sum = bytes.size();
  for (; at < bytes.size(); ++at) sum = (sum ^ static_cast<uint64_t>(bytes[at])) * kPrime;
  for (const uint64_t part : sums) {
    sum = (sum ^ part) * kPrime;
    sum ^= sum >> 32;
  }
  return sum;
}

}  // namespace akin

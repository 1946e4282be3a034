// Hashing for the tables of the models.
//
// A file must not be able to choose keys that collide, which would make its loading quadratic:
// every process has its own seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace akin::tokenizer {

// Drawn once for the process.
uint64_t HashSeed();

// Both halves of the product of `a` and `b`, folded.
inline uint64_t MixBits(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t LoadBytes(const char* p, size_t bytes) {
  uint64_t value = 0;
  std::memcpy(&value, p, bytes);
  return value;
}

inline uint64_t HashBytes(std::string_view bytes, uint64_t seed) {
  constexpr uint64_t kOdd1 = 0x9E3779B97F4A7C15u, kOdd2 = 0xD6E8FEB86659FD93u;
  const char* p = bytes.data();
  size_t left = bytes.size();
  uint64_t hash = seed ^ MixBits(left + kOdd2, kOdd1);
  for (; left > 8; p += 8, left -= 8) hash = MixBits(hash ^ LoadBytes(p, 8), kOdd1 ^ seed);
  uint64_t rest = 0;
  if (left == 8) {
    rest = LoadBytes(p, 8);
  } else if (left >= 4) {
    rest = LoadBytes(p, 4) << 32 | LoadBytes(p + left - 4, 4);
  } else if (left > 0) {
    const auto byte = [p](size_t i) { return uint64_t{static_cast<unsigned char>(p[i])}; };
    rest = byte(0) << 16 | byte(left / 2) << 8 | byte(left - 1);
  }
  return MixBits(hash ^ rest, kOdd2 ^ seed);
}

// For the maps of the standard library, whose own hashes have no seed. A map of strings with it can
// be asked for a string_view.
struct SeededHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return HashBytes(text, HashSeed()); }
  size_t operator()(int32_t number) const {
    return MixBits(static_cast<uint32_t>(number) ^ HashSeed(), HashSeed() | 1);
  }
};

}  // namespace akin::tokenizer

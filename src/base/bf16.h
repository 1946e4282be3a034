// bfloat16: the upper half of an IEEE-754 binary32.
#pragma once

#include <bit>
#include <cstdint>

namespace akin {

struct Bf16 {
  uint16_t bits = 0;

  // Rounds to nearest, ties to even; NaN stays NaN.
  static constexpr Bf16 From(float x) {
    const uint32_t u = std::bit_cast<uint32_t>(x);
    constexpr uint32_t kInfinity = 0x7f800000u, kQuietBit = 0x0040u;
    if ((u & 0x7fffffffu) > kInfinity) return {static_cast<uint16_t>(u >> 16 | kQuietBit)};
    return {static_cast<uint16_t>((u + 0x7fffu + (u >> 16 & 1u)) >> 16)};
  }
  constexpr float ToFloat() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

}  // namespace akin

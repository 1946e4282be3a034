// Shortest decimals after R. Giulietti, "The Schubfach way to render doubles" (2020), where they
// are exact in 64 bits.
//
// A float x = c 2^-s, c of 24 bits, is what every number of its rounding interval reads back as,
// from (c - 1/2) 2^-s to (c + 1/2) 2^-s, with the ends if c is even (ties go to even). Of the
// multiples of 10^-p, with 10^-p the largest power of ten not above the interval's length 2^-s, one
// at least lies in it, of those of 10^(1-p) one at most, and all shorter decimals are among these.
// So it is the latter one, if there is one, or that multiple of 10^-p which is the nearest to x.
//
// All of it is compared in units of 10^-p 2^-s / 4, in which x is 4 c 10^p: below 2^63 from
// x = 2^-13 on.
#include "akin/json_floats.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace akin {
namespace {

// Of 2^-13 to 1, where decimals are never written with an exponent unless they have one digit.
constexpr int kLeastExponent = -13, kLastExponent = -1;
constexpr int kFractionBits = 23;

struct Scale {
  uint64_t power = 1;  // 10^places, the least that is not below 2^s.
  int places = 0;
};

constexpr auto kScales = [] {
  std::array<Scale, kLastExponent - kLeastExponent + 1> scales;
  for (int exponent = kLeastExponent; exponent <= kLastExponent; ++exponent) {
    Scale& scale = scales[static_cast<size_t>(exponent - kLeastExponent)];
    while (scale.power < uint64_t{1} << (kFractionBits - exponent)) {
      scale.power *= 10;
      ++scale.places;
    }
  }
  return scales;
}();

// "00000012" of 12, below 10^8: two numbers of four digits, four of two, eight digits, the first
// one in the lowest byte.
uint64_t EightDigits(uint64_t value) {
  static_assert(std::endian::native == std::endian::little, "the digits are one word in memory");
  const uint64_t fours = value / 10'000 | value % 10'000 << 32;
  const uint64_t hundreds = (fours * 10'486 >> 20) & 0x0000'007f'0000'007f;  // By 100.
  const uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
  const uint64_t tens = (twos * 103 >> 10) & 0x000f'000f'000f'000f;  // By 10.
  return (tens | (twos - 10 * tens) << 8) + 0x3030'3030'3030'3030;
}

struct Decimal {
  uint64_t digits;  // Below 10^9.
  int places;       // digits * 10^-places
};

// Without branches on what lies where, which nothing could foresee.
Decimal Shortest(uint64_t c, int s, Scale scale) {
  const uint64_t x = 4 * c * scale.power, half = 2 * scale.power;
  const uint64_t ends_out = c & 1;  // Of the interval.
  const uint64_t first = x - half + ends_out, last = x + half - ends_out;
  const auto in_units = [&](uint64_t multiple) { return 4 * multiple << s; };

  const uint64_t below = x >> (s + 2);
  const uint64_t middle = in_units(below) + (uint64_t{2} << s);
  const uint64_t nearer = uint64_t{x > middle} | (uint64_t{x == middle} & below & 1);
  const uint64_t fine = below + nearer;

  const uint64_t below_tens = below / 10;
  const uint64_t low_tens = first <= in_units(10 * below_tens),
                 high_tens = in_units(10 * below_tens + 10) <= last;
  const uint64_t is_coarse = low_tens ^ high_tens;
  const uint64_t coarse = below_tens + high_tens;

  Decimal decimal{.digits = fine + ((coarse - fine) & (0 - is_coarse)),
                  .places = scale.places - static_cast<int>(is_coarse)};
  while (decimal.digits % 10 == 0) {
    decimal.digits /= 10;
    --decimal.places;
  }
  return decimal;
}

}  // namespace

char* WriteFloat(char* out, float value) {
  constexpr uint32_t kFraction = (uint32_t{1} << kFractionBits) - 1;
  constexpr int kLeastPlaces = 7;  // Of eight digits or nine.
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t fraction = bits & kFraction;
  const int exponent = static_cast<int>(bits >> kFractionBits & 0xff) - 127;
  const auto by_the_library = [&] { return std::to_chars(out, out + kMaxFloatBytes, value).ptr; };
  // A power of two has a shorter interval below it than above.
  if (exponent < kLeastExponent || exponent > kLastExponent || fraction == 0)
    return by_the_library();
  const auto [digits, places] = Shortest(fraction | (kFraction + 1), kFractionBits - exponent,
                                         kScales[static_cast<size_t>(exponent - kLeastExponent)]);
  if (places < kLeastPlaces) return by_the_library();
  // Zeros, over them nine digits that end where they should, over their leading zeros the point.
  *out = '-';
  out += bits >> 31;
  std::memcpy(out, "0.00", 4);
  char* const nine = out + 2 + places - 9;
  constexpr uint64_t kEightDigits = 100'000'000;
  *nine = static_cast<char>('0' + digits / kEightDigits);
  const uint64_t eight = EightDigits(digits % kEightDigits);
  std::memcpy(nine + 1, &eight, sizeof eight);
  std::memcpy(out, "0.", 2);
  return out + 2 + places;
}

void AppendJsonFloats(std::string& out, std::span<const float> values) {
  const size_t begin = out.size();
  out.resize(begin + 2 + values.size() * (kMaxFloatBytes + 1));
  char* at = out.data() + begin;
  *at++ = '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) *at++ = ',';
    at = WriteFloat(at, values[i]);
  }
  *at++ = ']';
  out.resize(static_cast<size_t>(at - out.data()));
}

}  // namespace akin

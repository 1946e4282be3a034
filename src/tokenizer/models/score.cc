#include "tokenizer/models/score.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

namespace akin::tokenizer {
namespace {

constexpr int kMaxPower = 308;
// Exponents are cut here: far outside of all doubles, and no sum of two overflows.
constexpr int64_t kMaxExponent = int64_t{1} << 31;

const std::array<double, kMaxPower + 1>& PowersOfTen() {
  static const auto powers = [] {
    std::array<double, kMaxPower + 1> table;
    for (int i = 0; i <= kMaxPower; ++i) {
      const std::string text = "1e" + std::to_string(i);
      std::from_chars(text.data(), text.data() + text.size(), table[static_cast<size_t>(i)]);
    }
    return table;
  }();
  return powers;
}

// significand * 10^exponent, rounded once for every step.
std::optional<double> Scale(uint64_t significand, int64_t exponent) {
  auto value = static_cast<double>(significand);
  for (; exponent < -kMaxPower && value != 0; exponent += kMaxPower) value /= 1e308;
  if (value == 0) return value;
  if (exponent > kMaxPower) return std::nullopt;
  const double power = PowersOfTen()[static_cast<size_t>(std::abs(exponent))];
  value = exponent >= 0 ? value * power : value / power;
  return std::isinf(value) ? std::nullopt : std::optional(value);
}

class NumberReader {
 public:
  explicit NumberReader(std::string_view text) : text_(text) {}

  std::optional<double> Read() {
    const bool negative = Skip('-');
    // Digits that do not fit are dropped, and counted before the point.
    while (IsDigit() && AddDigit()) continue;
    for (; IsDigit(); ++at_) ++exponent_;
    if (Skip('.')) {
      for (; IsDigit() && AddDigit(); --exponent_) continue;
      while (IsDigit()) ++at_;
    }
    if (Skip('e') || Skip('E')) ReadExponent();
    const std::optional<double> value = Scale(significand_, exponent_);
    return value && negative ? std::optional(-*value) : value;
  }

 private:
  bool IsDigit() const { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; }
  bool Skip(char c) {
    const bool found = at_ < text_.size() && text_[at_] == c;
    at_ += found;
    return found;
  }

  bool AddDigit() {
    const auto digit = static_cast<uint64_t>(text_[at_] - '0');
    constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
    // Only the last digit that could fit asks exactly.
    if (significand_ >= kMax / 10 && significand_ > (kMax - digit) / 10) return false;
    significand_ = significand_ * 10 + digit;
    ++at_;
    return true;
  }

  void ReadExponent() {
    const bool negative = Skip('-');
    if (!negative) Skip('+');
    int64_t exponent = 0;
    for (; IsDigit(); ++at_) {
      exponent = std::min<int64_t>(exponent * 10 + (text_[at_] - '0'), kMaxExponent);
    }
    exponent_ += negative ? -exponent : exponent;
  }

  std::string_view text_;
  size_t at_ = 0;
  uint64_t significand_ = 0;
  int64_t exponent_ = 0;
};

}  // namespace

std::optional<double> ReadScore(std::string_view text) { return NumberReader(text).Read(); }

}  // namespace akin::tokenizer

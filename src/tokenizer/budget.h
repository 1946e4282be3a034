// What one text may cost, whatever a file asks for.
//
// Forty times "e" -> "ee" are a terabyte, of one letter. So every stage that writes text, or tries
// alternatives, takes from the budget of the text, and a stage that would exceed it ends with an
// error. No tokenizer that is meant to work comes near: the longest that Unicode's own forms make
// of a character (U+FDFA, three bytes) is thirteen times as long, and twice that in ByteLevel's
// characters.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "akin/result.h"

#include "base/strings.h"

namespace akin::tokenizer {

class Budget {
 public:
  static constexpr size_t kGrowth = 64;
  static constexpr size_t kFreeBytes = size_t{1} << 16;  // A short text may grow by more.
  static constexpr size_t kStepsPerByte = 2000;
  static constexpr size_t kFreeSteps = size_t{1} << 20;

  // Of a text, or of all parts of one.
  explicit Budget(size_t text_bytes)
      : steps_left(kFreeSteps + kStepsPerByte * text_bytes),
        text_bytes_(text_bytes),
        // Positions are 32-bit.
        max_bytes_(std::min<size_t>(kFreeBytes + kGrowth * text_bytes,
                                    std::numeric_limits<uint32_t>::max())),
        bytes_left_(max_bytes_) {}

  // Bytes that may still be written.
  size_t bytes_left() const { return bytes_left_; }
  // Counts `bytes` as written; false if they are too many.
  bool Take(size_t bytes) {
    if (bytes > bytes_left_) return false;
    bytes_left_ -= bytes;
    return true;
  }
  Error TooLong(std::string_view what) const {
    return InvalidInput("the tokenizer's ", what, " would make more than ", max_bytes_,
                        " bytes of a text of ", text_bytes_);
  }

  size_t steps_left;  // Of regular expressions.

 private:
  size_t text_bytes_, max_bytes_, bytes_left_;
};

}  // namespace akin::tokenizer

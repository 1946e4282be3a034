// A regular expression as instructions for the matcher (matcher.h).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "tokenizer/regex/parser.h"

namespace akin::tokenizer::regex {

enum class Op : uint8_t {
  kMatch,   // The end.
  kSet,     // Takes one character of sets[set].
  kStar,    // Takes as many of sets[set] as `greed` says.
  kAssert,  // `assertion` holds here.
  kSplit,   // Goes on at `next`; if that fails, at `other`.
  kJump,    // Goes on at `next`.
  kAtomicBegin,
  kAtomicEnd,  // What is between them is never tried again.
  kLookBegin,
  kLookEnd,  // What is between them takes nothing; `other` is behind it.
  kBack,     // Goes `count` characters back.
};

struct Instruction {
  // States outside of atomic and look-around groups are numbered, so that the matcher can remember
  // which of them have failed at a position.
  static constexpr uint32_t kNotRemembered = UINT32_MAX;
  Op op = Op::kMatch;
  Greed greed = Greed::kGreedy;
  Assertion assertion = Assertion::kTextBegin;
  bool negative = false;
  uint32_t set = 0;
  uint32_t next = 0, other = 0;
  uint32_t count = 0;
  uint32_t state = kNotRemembered;
};

struct Program {
  std::vector<Instruction> instructions;
  std::vector<CharSet> sets;
  uint32_t num_states = 0;
};

// Errors: InvalidModel, UnsupportedModel, beginning with `where`.
Result<Program> Compile(std::string_view pattern, std::string_view where);

}  // namespace akin::tokenizer::regex

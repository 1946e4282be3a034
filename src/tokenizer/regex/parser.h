// Reads a regular expression in Oniguruma's own syntax, as far as tokenizers use it:
//
//   a . \n \x{1F600} \u00E9 [^a-z\s\p{L}&&[^b]] [[:alpha:]] \d \w \s \h \p{L} \p{^L} \P{L}
//   a* a+ a? a{2,3} a{2,} a{,3}, each with ? (lazy), and ? * + with + (possessive)
//   ab a|b (a) (?:a) (?>a) (?i:a) (?m:a) (?i) (?=a) (?!a) (?<=a) (?<!a) (?#..) ^ $ \A \z \Z \b \B
//
// A group remembers nothing: back references and all other constructs are reported by name.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "tokenizer/regex/char_set.h"

namespace akin::tokenizer::regex {

enum class Kind : uint8_t {
  kEmpty,
  kSet,          // One character of `set`.
  kSequence,     // All children, one after the other.
  kAlternation,  // The first child that leads to a match.
  kRepeat,       // The only child, min to max times.
  kAtomic,       // The only child, at its first match.
  kLook,         // The only child matches here, or before; or does not.
  kAssertion,
};

enum class Greed : uint8_t { kGreedy, kLazy, kPossessive };

enum class Assertion : uint8_t {
  kLineBegin,  // ^: at the beginning and after \n, but not at the end.
  kLineEnd,    // $: at the end and before \n.
  kTextBegin,
  kTextEnd,
  kTextEndOrNewline,  // \Z: at the end, or before a \n that is the end.
  kWordBoundary,
  kNoWordBoundary,
};

struct Node {
  static constexpr uint32_t kUnlimited = UINT32_MAX;
  Kind kind = Kind::kEmpty;
  Greed greed = Greed::kGreedy;
  Assertion assertion = Assertion::kTextBegin;
  bool behind = false, negative = false;  // Of kLook.
  uint32_t min = 0, max = 0;
  uint32_t set = 0;                // Index in Tree::sets.
  std::vector<uint32_t> children;  // Indices in Tree::nodes.
};

struct Tree {
  std::vector<Node> nodes;
  std::vector<CharSet> sets;
  uint32_t root = 0;
};

// Errors: InvalidModel, UnsupportedModel; the message says what is wrong, `where` stands before it.
Result<Tree> Parse(std::string_view pattern, std::string_view where);

}  // namespace akin::tokenizer::regex

// The parser behind Parse (parser.h), by recursive descent: parser.cc reads what a pattern is made
// of, classes.cc the classes and escaped characters in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "akin/result.h"

#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/regex/char_set.h"
#include "tokenizer/regex/parser.h"

namespace akin::tokenizer::regex {

inline constexpr size_t kMaxPatternBytes = 16384;
inline constexpr int kMaxDepth = 100;  // Of groups and classes in each other.

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }
inline char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

class Parser {
 public:
  Parser(std::string_view pattern, std::string_view where) : pattern_(pattern), where_(where) {}

  Result<Tree> Run() {
    if (pattern_.size() > kMaxPatternBytes)
      return Unsupported("more than ", kMaxPatternBytes, " bytes");
    AKIN_TRY_ASSIGN(tree_.root, ParseAlternation({}));
    if (!done()) return Invalid("has a ) without a (");
    return std::move(tree_);
  }

 private:
  struct Flags {
    bool ignore_case = false;
    bool dot_is_all = false;  // (?m:: . is \n too.
    int depth = 0;
    Flags Deeper() const { return {ignore_case, dot_is_all, depth + 1}; }
  };
  struct Quantifier {
    uint32_t min, max;
    Greed greed;
    bool optional;  // {n}? is (?:{n})?
  };

  template <typename... Pieces>
  Error Invalid(const Pieces&... pieces) const {
    return InvalidModel(where_, " ", pieces..., " (at byte ", at_, ")");
  }
  // `construct` is what is not implemented.
  template <typename... Pieces>
  Error Unsupported(const Pieces&... construct) const {
    return UnsupportedModel(where_, " uses ", construct..., " at byte ", at_,
                            ", which is not supported");
  }

  bool done() const { return at_ == pattern_.size(); }
  std::string_view rest() const { return pattern_.substr(at_); }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  bool Skip(std::string_view expected) {
    if (!rest().starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }
  char32_t Next() {
    const char32_t c = DecodeUtf8(&pattern_[at_]);
    at_ += Utf8Length(pattern_[at_]);
    return c;
  }

  uint32_t Add(Node node) {
    tree_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(tree_.nodes.size() - 1);
  }
  uint32_t AddSet(CharSet set) {
    tree_.sets.push_back(std::move(set));
    return Add({.kind = Kind::kSet, .set = static_cast<uint32_t>(tree_.sets.size() - 1)});
  }

  Result<uint32_t> ParseAlternation(Flags flags);
  Result<uint32_t> ParseSequence(Flags& flags);
  Result<uint32_t> ParseAtom(Flags& flags);
  Result<uint32_t> ParseGroup(Flags& flags);
  Result<uint32_t> ParseOptionGroup(Flags& flags);
  Result<uint32_t> ParseGroupBody(Flags flags, Node node);
  Result<uint32_t> ParseQuantifiers(uint32_t atom);
  std::optional<Quantifier> TakeQuantifier();
  std::optional<Quantifier> TakeInterval();
  Result<uint32_t> ParseEscape(Flags flags);
  Result<uint32_t> AddLiteral(char32_t c, Flags flags);

  Result<std::optional<CharSet>> ParseClassEscape();
  Result<char32_t> ParseCharEscape(bool in_class);
  Result<char32_t> ParseHex(size_t max_digits);
  Result<CharSet> ParseProperty();
  Result<CharSet> PropertySet(std::string_view name, bool negative);
  Result<CharSet> ParseClass(Flags flags);
  Result<CharSet> ParseUnion(Flags flags, bool first);
  Result<std::optional<CharSet>> ParseClassSet(Flags flags);
  Result<char32_t> ParseClassChar();

  std::string_view pattern_, where_;
  size_t at_ = 0;
  Tree tree_;
  char last_literal_ = '\0';  // Of the sequence, in lower case, when case is ignored.
};

}  // namespace akin::tokenizer::regex

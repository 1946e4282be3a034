// Classes and escaped characters: [^a-z\s\p{L}&&[^b]] [[:alpha:]] \d \p{^L} \x{1F600} \u00E9.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "tokenizer/regex/case_folding.h"
#include "tokenizer/regex/pattern_parser.h"

namespace akin::tokenizer::regex {
namespace {

// Escapes that stand for one character.
struct Escape {
  char letter;
  char32_t c;
};
constexpr Escape kEscapes[] = {{'t', '\t'}, {'n', '\n'}, {'r', '\r'}, {'f', '\f'},
                               {'v', '\v'}, {'a', '\a'}, {'e', 0x1B}};

// Escapes that stand for a class; the capital letter for its complement.
struct ClassEscape {
  char letter;
  std::string_view property;
};
constexpr ClassEscape kClassEscapes[] = {
    {'d', "digit"}, {'w', "word"}, {'s', "space"}, {'h', "xdigit"}};

bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = ToLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

// The class at a backslash; nothing if it is an escaped character.
Result<std::optional<CharSet>> Parser::ParseClassEscape() {
  const char letter = Peek(1);
  for (const ClassEscape& escape : kClassEscapes) {
    if (ToLower(letter) != escape.letter || !IsAsciiLetter(letter)) continue;
    at_ += 2;
    AKIN_TRY_ASSIGN(CharSet set, PropertySet(escape.property, letter != escape.letter));
    return std::optional<CharSet>(std::move(set));
  }
  if (letter != 'p' && letter != 'P') return std::optional<CharSet>();
  AKIN_TRY_ASSIGN(CharSet set, ParseProperty());
  return std::optional<CharSet>(std::move(set));
}

// \p{L}, \p{^L} or \P{L}; case, blanks, '_' and '-' of the name do not count.
Result<CharSet> Parser::ParseProperty() {
  bool negative = Peek(1) == 'P';
  if (Peek(2) != '{') return Unsupported("\\p without {");
  const size_t end = rest().find('}');
  if (end == std::string_view::npos) return Invalid("has a \\p{ without an end");
  std::string_view name = rest().substr(3, end - 3);
  if (name.starts_with('^')) {
    negative = !negative;
    name.remove_prefix(1);
  }
  std::string plain;
  for (const char c : name) {
    if (c != ' ' && c != '_' && c != '-') plain += ToLower(c);
  }
  AKIN_TRY_ASSIGN(CharSet set, PropertySet(plain, negative));
  at_ += end + 1;
  return set;
}

Result<CharSet> Parser::PropertySet(std::string_view name, bool negative) {
  const auto ranges = unicode::Property(name);
  if (ranges.empty()) return Unsupported("the property \\p{", name, "}");
  const CharSet set(ranges);
  return negative ? set.Complement() : set;
}

// The character that is escaped by the backslash here.
Result<char32_t> Parser::ParseCharEscape(bool in_class) {
  ++at_;
  if (done()) return Invalid("ends in a backslash");
  const char letter = Peek();
  if (in_class && Skip("b")) return char32_t{'\b'};
  for (const Escape& escape : kEscapes) {
    if (letter != escape.letter) continue;
    ++at_;
    return escape.c;
  }
  if (Skip("x{")) {
    AKIN_TRY_ASSIGN(const char32_t c, ParseHex(8));
    if (!Skip("}")) return Invalid("has a \\x{ without an end");
    return c;
  }
  if (Skip("x")) {
    AKIN_TRY_ASSIGN(const char32_t c, ParseHex(2));
    if (c >= 0x80) return Unsupported("the byte \\x of a character");
    return c;
  }
  if (letter == 'u') {
    ++at_;
    const size_t begin = at_;
    AKIN_TRY_ASSIGN(const char32_t c, ParseHex(4));
    if (at_ - begin != 4) return Invalid("has a \\u without four digits");
    return c;
  }
  if (IsAsciiLetter(letter) || IsDigit(letter)) {
    return Unsupported("\\", std::string_view(&pattern_[at_], 1));
  }
  return Next();
}

Result<char32_t> Parser::ParseHex(size_t max_digits) {
  char32_t c = 0;
  size_t digits = 0;
  for (; digits < max_digits && HexValue(Peek()) >= 0; ++digits, ++at_) {
    c = std::min<char32_t>(c * 16 + static_cast<char32_t>(HexValue(Peek())), kMaxCodePoint + 1);
  }
  if (digits == 0 || c > kMaxCodePoint || (c >= 0xD800 && c < 0xE000)) {
    return Invalid("has the number of no character");
  }
  return c;
}

// The rest of a class, behind its '['.
Result<CharSet> Parser::ParseClass(Flags flags) {
  if (flags.depth > kMaxDepth) return Unsupported("classes more than ", kMaxDepth, " deep");
  const bool negative = Skip("^");
  AKIN_TRY_ASSIGN(CharSet set, ParseUnion(flags, true));
  while (Skip("&&")) {
    AKIN_TRY_ASSIGN(const CharSet other, ParseUnion(flags, false));
    set = set.Intersection(other);
  }
  if (!Skip("]")) return Invalid("has a class without an end");
  if (flags.ignore_case) {
    // Whether Oniguruma folds what a property holds depends on how the class is written.
    const CharSet ascii = set.Intersection(CharSet::Between(0, 127));
    const CharSet others = set.Intersection(CharSet::Between(128, kMaxCodePoint));
    if (!others.ranges().empty() && !IsClosedUnderFolding(set)) {
      return Unsupported("a class without regard to case");
    }
    set = others.Union(FoldCase(ascii));
  }
  return negative ? set.Complement() : set;
}

// The members of a class up to "]" or "&&".
Result<CharSet> Parser::ParseUnion(Flags flags, bool first) {
  std::vector<Range> ranges;
  for (; !done(); first = false) {
    if (rest().starts_with("&&")) return CharSet(ranges);
    if (Peek() == ']') {
      if (!first) return CharSet(ranges);
      if (rest().find(']', 1) == std::string_view::npos) return Invalid("has an empty class");
    }
    AKIN_TRY_ASSIGN(std::optional<CharSet> member, ParseClassSet(flags));
    if (member) {
      ranges.insert(ranges.end(), member->ranges().begin(), member->ranges().end());
      if (Peek() == '-' && Peek(1) != ']') return Unsupported("a range that begins with a class");
      continue;
    }
    AKIN_TRY_ASSIGN(const char32_t begin, ParseClassChar());
    if (Peek() != '-' || Peek(1) == ']' || rest().starts_with("-&&")) {
      ranges.push_back({begin, begin});
      continue;
    }
    ++at_;
    if (Peek() == '[') return Unsupported("a range that ends with a class");
    AKIN_TRY_ASSIGN(const std::optional<CharSet> not_a_char, ParseClassSet(flags));
    if (not_a_char) return Invalid("has a range that ends with a class");
    AKIN_TRY_ASSIGN(const char32_t end, ParseClassChar());
    if (end < begin) return Invalid("has a range that ends before it begins");
    ranges.push_back({begin, end});
    if (Peek() == '-' && Peek(1) != ']') ranges.push_back({'-', '-'}), ++at_;  // [a-c-e]
  }
  return CharSet(ranges);
}

// A member of a class that is a class itself: [..], [:alpha:] or \w. Nothing if it is a character.
Result<std::optional<CharSet>> Parser::ParseClassSet(Flags flags) {
  if (Peek() == '\\') return ParseClassEscape();
  if (rest().starts_with("[:")) {
    const size_t end = rest().find(":]");
    if (end != std::string_view::npos) {
      std::string_view name = rest().substr(2, end - 2);
      const bool negative = name.starts_with('^');
      if (negative) name.remove_prefix(1);
      AKIN_TRY_ASSIGN(CharSet set, PropertySet(name, false));
      if (name == "punct") {  // More than \p{Punct}.
        AKIN_TRY_ASSIGN(const CharSet symbols, PropertySet("s", false));
        set = set.Union(symbols);
      }
      if (negative) set = set.Complement();
      at_ += end + 2;
      return std::optional<CharSet>(std::move(set));
    }
  }
  if (!Skip("[")) return std::optional<CharSet>();
  AKIN_TRY_ASSIGN(CharSet set, ParseClass(flags.Deeper()));
  return std::optional<CharSet>(std::move(set));
}

Result<char32_t> Parser::ParseClassChar() {
  if (done()) return Invalid("has a class without an end");
  return Peek() == '\\' ? ParseCharEscape(true) : Next();
}

}  // namespace akin::tokenizer::regex

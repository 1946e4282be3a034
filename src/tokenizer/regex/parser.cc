#include "tokenizer/regex/parser.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/regex/case_folding.h"

namespace akin::tokenizer::regex {
namespace {

constexpr size_t kMaxPatternBytes = 16384;
constexpr int kMaxQuantifiers = 10;      // Of one atom.
constexpr int kMaxDepth = 100;           // Of groups and classes in each other.
constexpr uint32_t kMaxRepeat = 100000;  // Oniguruma's.

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

struct AssertionEscape {
  char letter;
  Assertion assertion;
};
constexpr AssertionEscape kAssertionEscapes[] = {
    {'A', Assertion::kTextBegin},        {'z', Assertion::kTextEnd},
    {'Z', Assertion::kTextEndOrNewline}, {'b', Assertion::kWordBoundary},
    {'B', Assertion::kNoWordBoundary},
};

bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = ToLower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

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

Result<uint32_t> Parser::ParseAlternation(Flags flags) {
  if (flags.depth > kMaxDepth) return Unsupported("groups more than ", kMaxDepth, " deep");
  Node node = {.kind = Kind::kAlternation};
  do {
    AKIN_TRY_ASSIGN(const uint32_t child, ParseSequence(flags));
    node.children.push_back(child);
  } while (Skip("|"));
  return node.children.size() == 1 ? node.children[0] : Add(std::move(node));
}

Result<uint32_t> Parser::ParseSequence(Flags& flags) {
  Node node = {.kind = Kind::kSequence};
  last_literal_ = '\0';
  while (!done() && Peek() != '|' && Peek() != ')') {
    const char literal = std::exchange(last_literal_, '\0');
    const size_t begin = at_;
    if (Skip("(?#")) {
      const size_t end = rest().find(')');
      if (end == std::string_view::npos) return Invalid("has a comment without an end");
      at_ += end + 1;
      continue;
    }
    last_literal_ = literal;
    AKIN_TRY_ASSIGN(const uint32_t atom, ParseAtom(flags));
    const size_t atom_end = at_;
    AKIN_TRY_ASSIGN(const uint32_t child, ParseQuantifiers(atom));
    if (at_ != atom_end || pattern_[begin] == '(') last_literal_ = '\0';
    node.children.push_back(child);
  }
  return node.children.size() == 1 ? node.children[0] : Add(std::move(node));
}

Result<uint32_t> Parser::ParseAtom(Flags& flags) {
  const char c = Peek();
  if (c == '(') return ParseGroup(flags);
  if (c == '*' || c == '+' || c == '?') return Invalid("repeats nothing");
  if (c == '[') {
    ++at_;
    last_literal_ = '\0';
    AKIN_TRY_ASSIGN(CharSet set, ParseClass(flags.Deeper()));
    return AddSet(std::move(set));
  }
  if (c == '\\') return ParseEscape(flags);
  if (c == '.' || c == '^' || c == '$') {
    ++at_;
    last_literal_ = '\0';
    if (c == '.') {
      return AddSet(flags.dot_is_all ? CharSet().Complement() : CharSet::Of('\n').Complement());
    }
    const Assertion assertion = c == '^' ? Assertion::kLineBegin : Assertion::kLineEnd;
    return Add({.kind = Kind::kAssertion, .assertion = assertion});
  }
  return AddLiteral(Next(), flags);
}

Result<uint32_t> Parser::AddLiteral(char32_t c, Flags flags) {
  const char before = std::exchange(last_literal_, '\0');
  if (!flags.ignore_case) return AddSet(CharSet::Of(c));
  if (FoldsToSeveral(c)) return Unsupported("a character without regard to case that folds to two");
  if (c < 128) last_literal_ = ToLower(static_cast<char>(c));
  if (IsFoldOfOne(before, last_literal_)) {
    return Unsupported("\"", std::string{before, last_literal_},
                       "\" without regard to case, which one character can match,");
  }
  return AddSet(FoldCase(CharSet::Of(c)));
}

Result<uint32_t> Parser::ParseGroup(Flags& flags) {
  if (Skip("(?:")) return ParseGroupBody(flags, {.kind = Kind::kEmpty});
  if (Skip("(?>")) return ParseGroupBody(flags, {.kind = Kind::kAtomic});
  if (Skip("(?=")) return ParseGroupBody(flags, {.kind = Kind::kLook});
  if (Skip("(?!")) return ParseGroupBody(flags, {.kind = Kind::kLook, .negative = true});
  if (Skip("(?<=")) return ParseGroupBody(flags, {.kind = Kind::kLook, .behind = true});
  if (Skip("(?<!")) {
    return ParseGroupBody(flags, {.kind = Kind::kLook, .behind = true, .negative = true});
  }
  if (Peek(1) != '?') {
    if (Peek(1) == '*') return Unsupported("a call (*..)");
    ++at_;
    return ParseGroupBody(flags, {.kind = Kind::kEmpty});
  }
  at_ += 2;
  return ParseOptionGroup(flags);
}

// What follows "(?" in (?i:..), (?m-i:..) or (?i), which holds to the end of the group around it.
Result<uint32_t> Parser::ParseOptionGroup(Flags& flags) {
  Flags changed = flags;
  bool on = true;
  for (; !done(); ++at_) {
    const char c = Peek();
    if (c == '-') {
      on = false;
    } else if (c == 'i') {
      changed.ignore_case = on;
    } else if (c == 'm') {
      changed.dot_is_all = on;
    } else if (c == ':') {
      ++at_;
      return ParseGroupBody(changed, {.kind = Kind::kEmpty});
    } else if (c == ')') {
      ++at_;
      // a(?i)b|c is a(?i:b|c).
      AKIN_TRY_ASSIGN(const uint32_t body, ParseAlternation(changed.Deeper()));
      return body;
    } else {
      return Unsupported("the group (?", std::string_view(&pattern_[at_], Utf8Length(c)));
    }
  }
  return Invalid("has a group without an end");
}

// The rest of a group: `node` over its body; a plain group adds nothing.
Result<uint32_t> Parser::ParseGroupBody(Flags flags, Node node) {
  AKIN_TRY_ASSIGN(const uint32_t body, ParseAlternation(flags.Deeper()));
  if (!Skip(")")) return Invalid("has a group without an end");
  last_literal_ = '\0';
  if (node.kind == Kind::kEmpty) return body;
  node.children = {body};
  return Add(std::move(node));
}

Result<uint32_t> Parser::ParseQuantifiers(uint32_t atom) {
  for (int depth = 0; const auto quantifier = TakeQuantifier(); ++depth) {
    if (depth == kMaxQuantifiers) {
      return Unsupported("more than ", kMaxQuantifiers, " quantifiers in a row");
    }
    const bool too_large = quantifier->max != Node::kUnlimited && quantifier->max > kMaxRepeat;
    if (too_large || quantifier->min > kMaxRepeat) {
      return Invalid("repeats more than ", kMaxRepeat, " times");
    }
    if (quantifier->min > quantifier->max) return Unsupported("{n,m} with n above m");
    atom = Add({.kind = Kind::kRepeat,
                .greed = quantifier->greed,
                .min = quantifier->min,
                .max = quantifier->max,
                .children = {atom}});
    if (quantifier->optional) {
      atom = Add({.kind = Kind::kRepeat, .min = 0, .max = 1, .children = {atom}});
    }
  }
  return atom;
}

std::optional<Parser::Quantifier> Parser::TakeQuantifier() {
  const char c = Peek();
  if (c == '{') return TakeInterval();
  if (done() || (c != '*' && c != '+' && c != '?')) return std::nullopt;
  ++at_;
  const Greed greed = Skip("?") ? Greed::kLazy : Skip("+") ? Greed::kPossessive : Greed::kGreedy;
  return Quantifier{c == '+' ? 1u : 0u, c == '?' ? 1 : Node::kUnlimited, greed, false};
}

// {n}, {n,}, {,m} or {n,m}; other braces are characters.
std::optional<Parser::Quantifier> Parser::TakeInterval() {
  const size_t begin = at_++;
  const auto number = [this]() -> std::optional<uint32_t> {
    if (!IsDigit(Peek())) return std::nullopt;
    uint32_t value = 0;
    for (; IsDigit(Peek()); ++at_) {
      value = std::min(value * 10 + static_cast<uint32_t>(Peek() - '0'), kMaxRepeat + 1);
    }
    return value;
  };
  const std::optional<uint32_t> min = number();
  const bool comma = Skip(",");
  const std::optional<uint32_t> max = comma ? number() : min;
  if ((!min && !max) || !Skip("}")) {
    at_ = begin;
    return std::nullopt;
  }
  const bool question_mark = Skip("?");  // A + is a quantifier of its own here.
  return Quantifier{min.value_or(0), max.value_or(Node::kUnlimited),
                    question_mark && comma ? Greed::kLazy : Greed::kGreedy,
                    question_mark && !comma};
}

Result<uint32_t> Parser::ParseEscape(Flags flags) {
  for (const AssertionEscape& escape : kAssertionEscapes) {
    if (Peek(1) != escape.letter) continue;
    at_ += 2;
    last_literal_ = '\0';
    return Add({.kind = Kind::kAssertion, .assertion = escape.assertion});
  }
  AKIN_TRY_ASSIGN(std::optional<CharSet> set, ParseClassEscape());
  if (set) {
    last_literal_ = '\0';
    if (flags.ignore_case && !IsClosedUnderFolding(*set)) {
      return Unsupported("a class without regard to case");
    }
    return AddSet(std::move(*set));
  }
  AKIN_TRY_ASSIGN(const char32_t c, ParseCharEscape(false));
  return AddLiteral(c, flags);
}

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

}  // namespace

Result<Tree> Parse(std::string_view pattern, std::string_view where) {
  return Parser(pattern, where).Run();
}

}  // namespace akin::tokenizer::regex

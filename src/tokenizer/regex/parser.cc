#include "tokenizer/regex/parser.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/regex/case_folding.h"
#include "tokenizer/regex/pattern_parser.h"

namespace akin::tokenizer::regex {
namespace {

constexpr int kMaxQuantifiers = 10;      // Of one atom.
constexpr uint32_t kMaxRepeat = 100000;  // Oniguruma's.

struct AssertionEscape {
  char letter;
  Assertion assertion;
};
constexpr AssertionEscape kAssertionEscapes[] = {
    {'A', Assertion::kTextBegin},        {'z', Assertion::kTextEnd},
    {'Z', Assertion::kTextEndOrNewline}, {'b', Assertion::kWordBoundary},
    {'B', Assertion::kNoWordBoundary},
};

}  // namespace

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

Result<Tree> Parse(std::string_view pattern, std::string_view where) {
  return Parser(pattern, where).Run();
}

}  // namespace akin::tokenizer::regex

// Regular expressions against what Oniguruma finds, and the well-known ones against the loops that
// are run in their place.
#include "tokenizer/regex/regex.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "tokenizer/pre_tokenizers/known_patterns.h"

namespace akin::tokenizer::regex {
namespace {

using Matches = std::vector<std::string>;

Matches FindAll(std::string_view pattern, std::string_view text) {
  const Result<Regex> regex = Regex::Load(pattern, "the pattern");
  if (!regex) return {regex.error().message()};
  std::vector<ByteRange> ranges;
  size_t steps_left = SIZE_MAX;
  if (const Status found = regex->FindAll(text, 0, steps_left, ranges); !found) {
    return {found.error().message()};
  }
  Matches matches;
  for (const ByteRange range : ranges) {
    matches.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return matches;
}

TEST(Regex, FirstAlternativeWins) { EXPECT_EQ(FindAll("a|ab", "ab"), Matches{"a"}); }

TEST(Regex, QuantifiersAreGreedyLazyOrPossessive) {
  EXPECT_EQ(FindAll("a+b", "aab"), Matches{"aab"});
  EXPECT_EQ(FindAll("a{1,2}?", "aa"), (Matches{"a", "a"}));
  EXPECT_EQ(FindAll("a++a", "aaa"), Matches{});
  EXPECT_EQ(FindAll("(?>a+)a", "aaa"), Matches{});
  EXPECT_EQ(FindAll(R"(\p{N}{1,3}+)", "1234567"), Matches{"1234567"});  // A repeated repeat.
  EXPECT_EQ(FindAll("a{2}?", "aaaa"), (Matches{"aa", "aa"}));
  EXPECT_EQ(FindAll("a{,2}b{", "aab{"), Matches{"aab{"});
}

TEST(Regex, LinesBeginBehindANewlineButNotAtTheEnd) {
  EXPECT_EQ(FindAll("^.", "a\nb\n"), (Matches{"a", "b"}));
  EXPECT_EQ(FindAll(".$", "a\nb"), (Matches{"a", "b"}));
  EXPECT_EQ(FindAll("^", "a\n"), Matches{""});
}

TEST(Regex, CaseFoldsBeyondAscii) {
  EXPECT_EQ(FindAll("(?i:'S)k", "'\u017Fk 'sk"), (Matches{"'\u017Fk", "'sk"}));
  EXPECT_EQ(FindAll("(?i)k", "kK\u212A"), (Matches{"k", "K", "\u212A"}));
  EXPECT_EQ(FindAll("a(?i)b|c", "aB C aC"), (Matches{"aB", "aC"}));
}

TEST(Regex, Classes) {
  EXPECT_EQ(FindAll("[a-d&&[^b]]+", "abcd"), (Matches{"a", "cd"}));
  EXPECT_EQ(FindAll(R"([^\s\p{L}]+)", "a1 2,b"), (Matches{"1", "2,"}));
  EXPECT_EQ(FindAll("[]a-]+", "a]-b"), Matches{"a]-"});
  EXPECT_EQ(FindAll(R"([[:upper:]]\P{^Lowercase_Letter})", "Aa AA"), Matches{"Aa"});
  EXPECT_EQ(FindAll(R"(\p{Han}+)", "a中文b"), Matches{"中文"});
}

TEST(Regex, LooksAround) {
  EXPECT_EQ(FindAll(R"(\s+(?!\S)|\s+)", "a   b "), (Matches{"  ", " ", " "}));
  EXPECT_EQ(FindAll("(?<=a)b|(?<!é)c", "abcéc"), (Matches{"b", "c"}));
}

TEST(Regex, WhatIsNotSupportedIsNamed) {
  EXPECT_EQ(FindAll("(a)\\1", "")[0], "the pattern uses \\1 at byte 4, which is not supported");
  EXPECT_EQ(FindAll("(a*)*", "")[0],
            "the pattern uses a repeated part that may be empty, which is not supported");
  EXPECT_EQ(FindAll("(?i)ss", "")[0].substr(0, 26), "the pattern uses \"ss\" with");
  EXPECT_EQ(FindAll(R"(\p{Emoji})", "")[0],
            "the pattern uses the property \\p{emoji} at byte 0, which is not supported");
}

TEST(Regex, HostileNestingAndRepeatsAreRefused) {
  EXPECT_EQ(FindAll(std::string(100000, '('), "").size(), 1u);
  EXPECT_EQ(FindAll(std::string(100000, '['), "").size(), 1u);
  EXPECT_EQ(FindAll("a" + std::string(100000, '?'), "").size(), 1u);
  EXPECT_EQ(FindAll("(?:(?:){100000}){100000}", ""), Matches{""});
  EXPECT_EQ(FindAll("(?:a{1000}){1000}", "")[0],
            "the pattern uses too many repeated parts, which is not supported");
}

// Backtracking alone would take 2^n or n^3 steps.
TEST(Regex, CatastrophicPatternsTakeLinearTime) {
  const std::string text(20000, 'a');
  EXPECT_EQ(FindAll("(?:a+)+b", text), Matches{});
  EXPECT_EQ(FindAll("(?:a|aa)+b", text), Matches{});
  EXPECT_EQ(FindAll("a*a*a*b", text), Matches{});
  EXPECT_EQ(FindAll("(?:.*x|.)", text).size(), text.size());
}

TEST(Regex, WhatCannotBeRememberedEndsInAnError) {
  const std::string text(100000, 'a');
  EXPECT_EQ(FindAll("(?>(?:a|a)+(?=b))", text).size(), 1u);
}

std::string RandomText(std::mt19937& random) {
  static const char* const kParts[] = {
      "a",       "B",  "word",   " ",      "  ", "\n", "\r\n", "\t", "'s", "'LL",
      "'\u017F", "12", "3",      "!",      "/",  "é",  "É",    "ǅ",  "ʰ",  "中",
      "か",      "́",   "\u3000", "²",      "٣",  "_",  "$",    "🙂", "'t", "'re",
      "I'd",     "ſ",  "\u0085", "\u200B", "-",  "'",  "M",    "m"};
  std::string text;
  for (size_t n = random() % 30; n > 0; --n) {
    if (random() % 8 == 0) {
      const char32_t c = random() % 0x3000 + 1;
      char bytes[kMaxUtf8Bytes];
      text.append(bytes, EncodeUtf8(c, bytes));
    } else {
      text += kParts[random() % std::size(kParts)];
    }
  }
  return text;
}

TEST(KnownPattern, FindsWhatTheGeneralMatcherFinds) {
  std::mt19937 random(7);
  const std::string_view patterns[] = {
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)"};
  for (const std::string_view pattern : patterns) {
    const KnownPattern* known = FindKnownPattern(pattern);
    ASSERT_NE(known, nullptr) << pattern;
    const Result<Regex> regex = Regex::Load(pattern, "");
    ASSERT_TRUE(regex) << regex.error().message();
    for (int i = 0; i < 3000; ++i) {
      const std::string text = RandomText(random);
      std::vector<ByteRange> expected, found;
      size_t steps_left = SIZE_MAX;
      ASSERT_TRUE(regex->FindAll(text, 0, steps_left, expected));
      known->Matches(text, {0, static_cast<uint32_t>(text.size())}, found);
      ASSERT_EQ(expected, found) << known->name << ": " << text;
    }
  }
}

}  // namespace
}  // namespace akin::tokenizer::regex

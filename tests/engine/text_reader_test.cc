// How texts become sequences: prompts, limits, windows, the ways of late interaction.
#include "engine/text_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/expect_error.h"

namespace akin::engine {
namespace {

constexpr int kPositions = 32;

const tokenizer::Pipeline& Tokenizer() {
  static const auto tokenizer = [] {
    std::ifstream in(std::string(AKIN_TEST_DATA) + "/models/bert-mean/tokenizer.json");
    std::stringstream json;
    json << in.rdbuf();
    return tokenizer::Pipeline::Load(json.str(), "tokenizer.json", false).value();
  }();
  return *tokenizer;
}

class TextReaderTest : public ::testing::Test {
 protected:
  TextReaderTest() {
    info_.model = "tiny";
    info_.max_tokens = 16;
    info_.max_positions = kPositions;
    info_.prompts = {{"query", "find this: "}, {"document", ""}};
  }

  Result<ReadTexts> Read(const std::vector<std::string_view>& texts,
                         const EmbedOptions& options = {}) {
    return TextReader(Tokenizer(), info_, settings_).Read(texts, options, pool_);
  }
  static std::vector<int32_t> Ids(const ReadTexts& read, size_t i) {
    const auto ids = read.sequences.input_ids(i);
    return {ids.begin(), ids.end()};
  }

  ModelInfo info_;
  ReaderSettings settings_;
  WorkerPool pool_{1};
};

TEST_F(TextReaderTest, APromptIsTextInFrontByNameByTextOrByDefault) {
  const auto whole = Read({"find this: a harbour"});
  ASSERT_TRUE(whole) << whole.error().message();
  EXPECT_EQ(Ids(*Read({"a harbour"}, {.prompt_name = "query"}), 0), Ids(*whole, 0));
  EXPECT_EQ(Ids(*Read({"a harbour"}, {.prompt = "find this: "}), 0), Ids(*whole, 0));
  info_.default_prompt_name = "query";
  EXPECT_EQ(Ids(*Read({"a harbour"}), 0), Ids(*whole, 0));
  EXPECT_EQ(Ids(*Read({"find this: a harbour"}, {.prompt = ""}), 0), Ids(*whole, 0));
}

TEST_F(TextReaderTest, APromptThatIsNotThereIsRefusedWithTheNamesThatAre) {
  ExpectError(Read({"a"}, {.prompt_name = "passage"}), ErrorCode::kInvalidInput, "passage",
              "query, document");
  ExpectError(Read({"a"}, {.prompt_name = "query", .prompt = "x"}), ErrorCode::kInvalidInput,
              "exclude each other");
}

TEST_F(TextReaderTest, TokensOfAnExcludedPromptAreCounted) {
  settings_.excludes_prompt = true;
  const auto read = Read({"a harbour"}, {.prompt_name = "query"});
  ASSERT_TRUE(read) << read.error().message();
  const size_t alone = Ids(*Read({"a harbour"}), 0).size();
  // The start token goes with the prompt; the text's own and the end token stay.
  EXPECT_EQ(Ids(*read, 0).size() - static_cast<size_t>(read->sequences.excluded()[0]), alone - 1);
  ExpectError(Read({"a harbour"}, {.max_tokens = 3, .prompt_name = "query"}),
              ErrorCode::kInvalidInput, "fills all 3 tokens");
}

TEST_F(TextReaderTest, LimitsAreThoseOfTheModel) {
  for (const int wrong : {0, -1, kPositions + 1})
    ExpectError(Read({"a"}, {.max_tokens = wrong}), ErrorCode::kInvalidInput, "max_tokens", "32");
  std::string longer;
  for (int i = 0; i < 40; ++i) longer += "the river ";
  const auto cut = Read({"a", longer});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->sequences.lengths()[1], 16);
  EXPECT_EQ(cut->sequences.truncated()[0], 0);
  EXPECT_GT(cut->sequences.truncated()[1], 0);
  ExpectError(Read({"a", longer}, {.overflow = Overflow::kError}), ErrorCode::kInvalidInput,
              "text 1", "16");
}

TEST_F(TextReaderTest, TheSideThatIsCutIsTheCallsOrTheModels) {
  const std::string text =
      "the river weighs a jar of honey at the third attempt and stops here now";
  const auto right = Ids(*Read({text}, {.max_tokens = 8}), 0);
  const auto left =
      Ids(*Read({text}, {.max_tokens = 8, .truncation_side = TruncationSide::kLeft}), 0);
  const auto all = Ids(*Read({text}, {.max_tokens = kPositions}), 0);
  EXPECT_TRUE(std::equal(right.begin() + 1, right.end() - 1, all.begin() + 1));
  EXPECT_TRUE(std::equal(left.rbegin() + 1, left.rend() - 1, all.rbegin() + 1));
  settings_.truncation_side = TruncationSide::kLeft;
  EXPECT_EQ(Ids(*Read({text}, {.max_tokens = 8}), 0), left);
}

TEST_F(TextReaderTest, QueriesOfALateInteractionModelAreFilledUp) {
  settings_.late.emplace();
  settings_.late->expansion.emplace();
  settings_.late->expansion->length = 20;
  settings_.max_partly_attended = kPositions;
  const auto query = Read({"a harbour"}, {.prompt_name = "query"});
  ASSERT_TRUE(query) << query.error().message();
  const int32_t mask = Tokenizer().TokenToId("[MASK]").value();
  EXPECT_EQ(query->sequences.lengths()[0], 20);
  EXPECT_EQ(Ids(*query, 0).back(), mask);
  const auto ids = Ids(*query, 0);
  const auto own = std::ranges::find(ids, mask) - ids.begin();
  EXPECT_GT(own, 0);
  EXPECT_EQ(query->sequences.attended()[0], own);
  EXPECT_LT(Read({"a harbour"})->sequences.lengths()[0], 20);  // A document.

  settings_.late->expansion->attend = true;
  EXPECT_EQ(Read({"a harbour"}, {.prompt_name = "query"})->sequences.attended()[0], 0);
  settings_.late->expansion->attend = false;
  settings_.max_partly_attended = 10;
  ExpectError(Read({"a harbour"}, {.prompt_name = "query"}), ErrorCode::kUnsupportedModel,
              "attend_to_expansion_tokens", "20", "10");
}

// --- Windows ---

constexpr std::string_view kLong =
    "the river weighs a jar of honey at the third attempt and stops here; die Brücke fällt";

TEST_F(TextReaderTest, WindowsHoldTheTokensOfTheTextInOrder) {
  const auto all = Ids(*Read({kLong}, {.max_tokens = kPositions}), 0);
  const auto read = Read({"short", kLong}, {.overflow = Overflow::kChunks, .window_tokens = 8});
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_GT(read->chunks.size(), 3u);
  EXPECT_EQ(read->chunks[0].text, 0u);
  EXPECT_EQ(read->chunks[0].end_byte, 5u);
  std::vector<int32_t> joined{all.front()};
  for (size_t i = 1; i < read->chunks.size(); ++i) {
    EXPECT_EQ(read->chunks[i].text, 1u);
    const auto ids = Ids(*read, i);
    EXPECT_LE(ids.size(), 8u);
    EXPECT_EQ(ids.front(), all.front());
    EXPECT_EQ(ids.back(), all.back());
    joined.insert(joined.end(), ids.begin() + 1, ids.end() - 1);
  }
  joined.push_back(all.back());
  EXPECT_EQ(joined, all);
}

TEST_F(TextReaderTest, WindowsNameTheirBytesWithoutThePrompt) {
  for (const std::string_view prompt : {"", "find this: "}) {
    const auto read =
        Read({kLong},
             {.overflow = Overflow::kChunks, .window_tokens = 10, .prompt = std::string(prompt)});
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->chunks.front().begin_byte, 0u);
    EXPECT_EQ(read->chunks.back().end_byte, kLong.size());
    for (size_t i = 1; i < read->chunks.size(); ++i) {
      EXPECT_EQ(read->chunks[i].begin_token, read->chunks[i - 1].end_token);
      EXPECT_GE(read->chunks[i].begin_byte, read->chunks[i - 1].end_byte);
      EXPECT_LE(read->chunks[i].end_byte, kLong.size());
    }
  }
}

TEST_F(TextReaderTest, AveragedWindowsWeighAsManyTokensAsTheyHave) {
  const auto read =
      Read({kLong}, {.overflow = Overflow::kAverage, .window_tokens = 8, .window_overlap = 2});
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_TRUE(read->chunks.empty());
  ASSERT_EQ(read->weights.size(), read->sequences.size());
  for (size_t i = 0; i < read->weights.size(); ++i)
    EXPECT_EQ(read->weights[i], static_cast<float>(read->sequences.lengths()[i] - 2));
}

TEST_F(TextReaderTest, LateChunksAreSegmentsOfTheWholeText) {
  ExpectError(Read({kLong}, {.overflow = Overflow::kLate}), ErrorCode::kUnsupportedModel, "late",
              "token");
  settings_.gives_token_states = true;
  const auto read = Read({kLong}, {.overflow = Overflow::kLate, .window_tokens = 8});
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->sequences.size(), 1u);
  const auto segments = read->sequences.segments(0);
  ASSERT_EQ(segments.size(), read->chunks.size());
  size_t next = 1;  // After the start token.
  for (const pooling::Segment& segment : segments) {
    EXPECT_EQ(segment.begin, next);
    EXPECT_LE(segment.length, 6u);
    next += segment.length;
  }
  EXPECT_EQ(next + 1, static_cast<size_t>(read->sequences.lengths()[0]));
}

TEST_F(TextReaderTest, WindowsWithoutRoomAreRefused) {
  const auto read = [&](int window, int overlap) {
    return Read(
        {kLong},
        {.overflow = Overflow::kChunks, .window_tokens = window, .window_overlap = overlap});
  };
  ExpectError(read(2, 0), ErrorCode::kInvalidInput, "text 0", "window_tokens is 2");
  ExpectError(read(kPositions + 1, 0), ErrorCode::kInvalidInput, "window_tokens");
  ExpectError(read(8, 6), ErrorCode::kInvalidInput, "window_overlap is 6", "0 to 5");
  ExpectError(read(8, -1), ErrorCode::kInvalidInput, "window_overlap");
}

}  // namespace
}  // namespace akin::engine

// The reference's answers (tests/data/tokenizers, see tools/pack_tokenizer_goldens.py), token by
// token: ids, type ids, offsets, texts, special tokens mask and word ids.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "akin/tokenizer.h"

#include "base/utf8.h"
#include "formats/json.h"
#include "tokenizer/normalized_text.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/pipeline.h"

namespace akin::tokenizer {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

const std::filesystem::path kData = std::filesystem::path(AKIN_TEST_DATA) / "tokenizers";

std::string ReadFile(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<int32_t> Ints(const JsonValue& array) {
  std::vector<int32_t> values;
  for (const JsonValue value : array.elements()) {
    values.push_back(value.is_null() ? -1 : static_cast<int32_t>(value.AsInt().value()));
  }
  return values;
}

Encoding Expected(const JsonValue& json) {
  Encoding expected;
  expected.ids = Ints(*json.Find("ids"));
  expected.type_ids = Ints(*json.Find("type_ids"));
  for (const JsonValue pair : json.Find("offsets")->elements()) {
    const std::vector<int32_t> offsets = Ints(pair);
    expected.offsets.emplace_back(offsets[0], offsets[1]);
  }
  for (const JsonValue token : json.Find("tokens")->elements()) {
    expected.tokens.emplace_back(token.AsString().value());
  }
  for (const int32_t mask : Ints(*json.Find("special_tokens_mask"))) {
    expected.special_tokens_mask.push_back(static_cast<uint8_t>(mask));
  }
  for (const int32_t word : Ints(*json.Find("word_ids"))) {
    expected.word_ids.push_back(word < 0 ? std::nullopt : std::optional<int32_t>(word));
  }
  return expected;
}

void ExpectEqual(const Encoding& expected, const Encoding& found) {
  EXPECT_EQ(expected.ids, found.ids);
  EXPECT_EQ(expected.type_ids, found.type_ids);
  EXPECT_EQ(expected.tokens, found.tokens);
  EXPECT_EQ(expected.offsets, found.offsets);
  EXPECT_EQ(expected.special_tokens_mask, found.special_tokens_mask);
  EXPECT_EQ(expected.word_ids, found.word_ids);
}

// A tokenizer that truncates from the left or right, with no limit of its own.
std::unique_ptr<const Pipeline> LoadWithDirection(const std::string& json,
                                                  std::string_view direction) {
  // A second "truncation": of duplicate keys the last one counts.
  const std::string changed =
      json.substr(0, json.rfind('}')) + R"(,"truncation":{"max_length":1000000,"stride":0,)" +
      R"("strategy":"LongestFirst","direction":")" + std::string(direction) + "\"}}";
  auto pipeline = Pipeline::Load(changed, "tokenizer.json");
  EXPECT_TRUE(pipeline) << pipeline.error().message();
  return std::move(*pipeline);
}

class Replay {
 public:
  explicit Replay(const std::string& tokenizer_json) {
    auto loaded = Pipeline::Load(tokenizer_json, "tokenizer.json");
    EXPECT_TRUE(loaded) << loaded.error().message();
    as_is_ = std::move(*loaded);
    left_ = LoadWithDirection(tokenizer_json, "Left");
    right_ = LoadWithDirection(tokenizer_json, "Right");
  }

  void Run(const JsonValue& request) {
    EncodeOptions options = {.with_offsets = true};
    if (const auto add = request.Find("add_special_tokens")) {
      options.add_special_tokens = add->AsBool().value();
    }
    const Pipeline* pipeline = as_is_.get();
    if (const auto truncation = request.Find("truncation")) {
      options.max_tokens = std::numeric_limits<int>::max();
      if (!truncation->is_null()) {
        options.max_tokens = static_cast<int>(truncation->Find("max_length")->AsInt().value());
        const auto direction = truncation->Find("direction")->AsString().value();
        pipeline = direction == "Left" ? left_.get() : right_.get();
      }
    }
    const std::string_view text = request.Find("text")->AsString().value();
    const auto encoding = pipeline->Encode(text, options, scratch_);
    ASSERT_TRUE(encoding) << encoding.error().message();
    ExpectEqual(Expected(request), *encoding);
    ExpectIdsAlone(*pipeline, text, options, *encoding);
  }

 private:
  // Without offsets, and behind what is already in the vectors, the ids are the same.
  void ExpectIdsAlone(const Pipeline& pipeline, std::string_view text, EncodeOptions options,
                      const Encoding& detailed) {
    options.with_offsets = false;
    std::vector<int32_t> ids = {7}, type_ids = {9};
    int32_t truncated = -1;
    ASSERT_TRUE(pipeline.Encode(text, options, scratch_, ids, &type_ids, truncated));
    EXPECT_EQ(detailed.ids, std::vector<int32_t>(ids.begin() + 1, ids.end()));
    EXPECT_EQ(detailed.type_ids, std::vector<int32_t>(type_ids.begin() + 1, type_ids.end()));
    EXPECT_EQ(detailed.truncated, truncated);
  }

  std::unique_ptr<const Pipeline> as_is_, left_, right_;
  Scratch scratch_;
};

void ReplayFile(const std::string& tokenizer_json, const std::filesystem::path& cases) {
  Replay replay(tokenizer_json);
  std::ifstream lines(cases);
  int num_cases = 0;
  for (std::string line; std::getline(lines, line); ++num_cases) {
    const auto request = JsonDocument::Parse(line, cases.filename().string());
    ASSERT_TRUE(request) << request.error().message();
    SCOPED_TRACE(cases.filename().string() + ": " + line.substr(0, 200));
    replay.Run(request->root());
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(num_cases, 50);
}

// The probes of normalizers, norm-*, have a byte model: their ids spell the normalized text byte by
// byte (id = byte + 1), and all bytes of a character have its offsets.
void ReplayNormalizer(const std::string& tokenizer_json, const std::filesystem::path& cases) {
  const auto tokenizer = JsonDocument::Parse(tokenizer_json, "tokenizer.json");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message();
  const auto normalizer = LoadNormalizer(*tokenizer->root().Find("normalizer"));
  ASSERT_TRUE(normalizer) << normalizer.error().message();
  std::ifstream lines(cases);
  int num_cases = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto request = JsonDocument::Parse(line, cases.filename().string());
    ASSERT_TRUE(request) << request.error().message();
    if (const auto cut = request->root().Find("truncation"); cut && !cut->is_null()) continue;
    SCOPED_TRACE(cases.filename().string() + ": " + line.substr(0, 200));
    const std::string text(request->root().Find("text")->AsString().value());
    const Encoding expected = Expected(request->root());
    std::string expected_text;
    for (const int32_t id : expected.ids) expected_text += static_cast<char>(id - 1);
    NormalizedText normalized;
    Budget budget(text.size());
    normalized.Assign(text, 0, true, budget);
    (*normalizer)->Normalize(normalized);
    ASSERT_EQ(expected_text, normalized.text());
    for (uint32_t i = 0; i < normalized.text().size(); ++i) {
      const ByteRange source = normalized.Original({i, i + 1});
      const auto begin = CountUtf8(text.substr(0, source.begin));
      const auto end = CountUtf8(text.substr(0, source.end));
      const auto [expected_begin, expected_end] = expected.offsets[i];
      ASSERT_TRUE(static_cast<size_t>(expected_begin) == begin &&
                  static_cast<size_t>(expected_end) == end)
          << "byte " << i << ": expected [" << expected_begin << ", " << expected_end
          << "), found [" << begin << ", " << end << ")";
    }
    ++num_cases;
  }
  EXPECT_GT(num_cases, 50);
}

class GoldenTokenizer : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTokenizer, AnswersAsTheReference) {
  const auto replay = GetParam().starts_with("norm-") ? ReplayNormalizer : ReplayFile;
  replay(ReadFile(kData / (GetParam() + ".json")), kData / (GetParam() + ".jsonl"));
}

std::vector<std::string> StoredTokenizers() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kData)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Stored, GoldenTokenizer, testing::ValuesIn(StoredTokenizers()),
                         [](const auto& file) {
                           std::string name = file.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// The vocabularies of real models are not stored here: a folder with the tokenizer.json comes from
// the environment.
void ReplayReal(const char* variable, const char* cases) {
  const char* folder = std::getenv(variable);
  if (folder == nullptr) GTEST_SKIP() << "SKIPPED: " << variable << " names no model folder";
  ReplayFile(ReadFile(std::filesystem::path(folder) / "tokenizer.json"), kData / cases);
}

TEST(RealTokenizer, MiniLmAnswersAsTheReference) { ReplayReal("AKIN_TEST_MODEL", "minilm.jsonl"); }

TEST(RealTokenizer, BgeSmallAnswersAsTheReference) {
  ReplayReal("AKIN_TEST_BGE_SMALL", "bge-small.jsonl");
}

}  // namespace
}  // namespace akin::tokenizer

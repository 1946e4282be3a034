// A tokenizer small enough to read in a test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/json.h"
#include "tokenizer/normalized_text.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace akin::tokenizer {

// The parts of a tokenizer.json, as JSON.
struct Tiny {
  std::string truncation = "null";
  std::string padding = "null";
  std::string added_tokens = "[]";
  std::string normalizer = "null";
  std::string pre_tokenizer = R"({"type":"WhitespaceSplit"})";
  std::string model =
      R"({"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",)"
      R"("max_input_chars_per_word":9,"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"un":3,"##aff":4,)"
      R"("##able":5,"##a":6,"hello":7,"é":8,"##é":9}})";
  std::string post_processor = "null";
  std::string decoder = "null";

  std::string Json() const {
    return R"({"version":"1.0","truncation":)" + truncation + R"(,"padding":)" + padding +
           R"(,"added_tokens":)" + added_tokens + R"(,"normalizer":)" + normalizer +
           R"(,"pre_tokenizer":)" + pre_tokenizer + R"(,"post_processor":)" + post_processor +
           R"(,"decoder":)" + decoder + R"(,"model":)" + model + "}";
  }
};

inline constexpr std::string_view kClsSep =
    R"({"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]})";

inline std::unique_ptr<const Pipeline> LoadTiny(const Tiny& tiny) {
  auto pipeline = Pipeline::Load(tiny.Json(), "tokenizer.json");
  if (!pipeline) {
    ADD_FAILURE() << pipeline.error().message();
    return nullptr;
  }
  return std::move(*pipeline);
}

inline Encoding Encode(const Pipeline& pipeline, std::string_view text,
                       EncodeOptions options = {.with_offsets = true}) {
  Scratch scratch;
  auto encoding = pipeline.Encode(text, options, scratch);
  if (!encoding) {
    ADD_FAILURE() << encoding.error().message();
    return {};
  }
  return std::move(*encoding);
}

// What one stage, given as JSON, makes of a text.
inline std::string Normalize(std::string_view stage_json, std::string_view text) {
  const auto json = formats::JsonDocument::Parse(stage_json, "tokenizer.json");
  if (!json) return json.error().message();
  const auto normalizer = LoadNormalizer(json->root());
  if (!normalizer) return normalizer.error().message();
  NormalizedText normalized;
  Budget budget(text.size());
  normalized.Assign(text, 0, false, budget);
  (*normalizer)->Normalize(normalized);
  if (!normalized.status()) return normalized.status().error().message();
  return std::string(normalized.text());
}

inline std::vector<std::string> PreTokenize(std::string_view stage_json, std::string_view text) {
  const auto json = formats::JsonDocument::Parse(stage_json, "tokenizer.json");
  if (!json) return {json.error().message()};
  const auto pre_tokenizer = LoadPreTokenizer(json->root());
  if (!pre_tokenizer) return {pre_tokenizer.error().message()};
  NormalizedText normalized;
  Budget budget(text.size());
  normalized.Assign(text, 0, false, budget);
  std::vector<ByteRange> pieces = {{0, static_cast<uint32_t>(text.size())}};
  (*pre_tokenizer)->PreTokenize(normalized, pieces, false);
  if (!normalized.status()) return {normalized.status().error().message()};
  std::vector<std::string> texts;
  for (const ByteRange piece : pieces) {
    texts.emplace_back(normalized.text().substr(piece.begin, piece.end - piece.begin));
  }
  return texts;
}

}  // namespace akin::tokenizer

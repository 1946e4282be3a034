#include "fuzz/tokenizer_targets.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "akin/tokenizer.h"

#include "base/utf8.h"
#include "fuzz/support.h"
#include "tokenizer/budget.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/regex/regex.h"

namespace akin::fuzz {
namespace {

using tokenizer::Pipeline;
using tokenizer::Scratch;

// One entry per token, offsets that lie in the text, and nothing that an engine could not look up.
void CheckEncoding(const Encoding& encoding, const EncodeOptions& options) {
  const size_t n = encoding.ids.size();
  Require(encoding.type_ids.size() == n && encoding.attention_mask.size() == n);
  const size_t details = options.with_offsets ? n : 0;
  Require(encoding.tokens.size() == details && encoding.offsets.size() == details);
  Require(encoding.special_tokens_mask.size() == details && encoding.word_ids.size() == details);
  for (const int32_t id : encoding.ids) Require(id >= 0);
  for (const auto& [begin, end] : encoding.offsets) Require(begin >= 0 && begin <= end);
  for (const Encoding& part : encoding.overflowing) CheckEncoding(part, options);
}

void EncodeWith(const Pipeline& pipeline, std::string_view text, const EncodeOptions& options) {
  Scratch scratch;
  const auto encoding = pipeline.Encode(text, options, scratch);
  if (!encoding) return;
  CheckEncoding(*encoding, options);
  std::vector<int32_t> ids;
  int32_t truncated = 0;
  Require(static_cast<bool>(pipeline.Encode(text, options, scratch, ids, nullptr, truncated)));
  Require(ids == encoding->ids && truncated == encoding->truncated);
  if (const auto decoded = pipeline.Decode(ids, false)) {
    Require(Utf8ValidUpTo(*decoded) == decoded->size());
  }
}

std::string Tokenizer(std::string_view pre_tokenizer, std::string_view post_processor,
                      std::string_view decoder) {
  return std::string(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":1,)"
                     R"("content":"[CLS]","single_word":true,"lstrip":true,"rstrip":true,)"
                     R"("normalized":false,"special":true}],"normalizer":{"type":"BertNormalizer",)"
                     R"("clean_text":true,"handle_chinese_chars":true,"strip_accents":null,)"
                     R"("lowercase":true},"pre_tokenizer":)")
      .append(pre_tokenizer)
      .append(R"(,"post_processor":)")
      .append(post_processor)
      .append(R"(,"decoder":)")
      .append(decoder)
      .append(R"(,"model":{"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##",)"
              R"("max_input_chars_per_word":20,"vocab":{"?":0,"[CLS]":1,"[SEP]":2,"a":3,"##a":4,)"
              R"("b":5,"##b":6,"é":7,"ab":8,"##ba":9," ":10,"Ġ":11}}})");
}

std::vector<std::unique_ptr<const Pipeline>> LoadKnown() {
  constexpr std::string_view kBert =
      R"({"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]})";
  constexpr std::string_view kRoberta =
      R"({"type":"RobertaProcessing","sep":["[SEP]",2],"cls":["[CLS]",1],"trim_offsets":true,)"
      R"("add_prefix_space":true})";
  constexpr std::string_view kWordPiece = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  std::vector<std::unique_ptr<const Pipeline>> known;
  for (const std::string& json :
       {Tokenizer(R"({"type":"BertPreTokenizer"})", kBert, kWordPiece),
        Tokenizer("null", kRoberta, R"({"type":"ByteLevel"})"),
        Tokenizer(R"({"type":"Whitespace"})", "null", R"({"type":"ByteFallback"})")}) {
    auto pipeline = Pipeline::Load(json, "tokenizer.json");
    Require(static_cast<bool>(pipeline));
    known.push_back(std::move(*pipeline));
  }
  return known;
}

}  // namespace

void LoadTokenizer(std::string_view json) {
  const auto pipeline = Pipeline::Load(json, "tokenizer.json");
  if (!pipeline) {
    const ErrorCode code = pipeline.error().code();
    Require(code == ErrorCode::kInvalidModel || code == ErrorCode::kUnsupportedModel);
    return;
  }
  for (const std::string_view text : {"", "Hello, w\u00F6rld!  \u65E5\u672C\u8A9E \u0301 123"}) {
    EncodeWith(**pipeline, text, {.with_offsets = true});
  }
}

void EncodeText(std::string_view bytes) {
  static const auto known = LoadKnown();
  if (bytes.size() < 4) return;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const Pipeline& pipeline = *known[byte(0) % known.size()];
  EncodeOptions options = {.add_special_tokens = (byte(1) & 1) != 0,
                           .with_offsets = (byte(1) & 2) != 0,
                           .with_overflowing = (byte(1) & 4) != 0};
  if ((byte(1) & 8) != 0) {
    options.truncation =
        Truncation{.max_length = byte(2) % 32,
                   .stride = byte(3) % 8,
                   .strategy = static_cast<TruncationStrategy>(byte(1) / 16 % 3),
                   .side = (byte(3) & 128) != 0 ? TruncationSide::kLeft : TruncationSide::kRight};
  }
  const std::string_view text = bytes.substr(4);
  const size_t cut = text.find('\xFF');
  if (cut == text.npos) return EncodeWith(pipeline, text, options);
  Scratch scratch;
  auto pair = pipeline.EncodePair(text.substr(0, cut), text.substr(cut + 1), options, scratch);
  if (!pair) return;
  CheckEncoding(*pair, options);
  options.padding = Padding{.length = byte(2), .on_left = (byte(3) & 64) != 0};
  Require(static_cast<bool>(pipeline.Pad({&*pair, 1}, options)));
  CheckEncoding(*pair, options);
}

void MatchRegex(std::string_view bytes) {
  const std::string_view pattern = bytes.substr(0, bytes.find('\0'));
  const std::string_view text = bytes.substr(std::min(pattern.size() + 1, bytes.size()));
  // Both are checked before: patterns come from JSON.
  if (Utf8ValidUpTo(pattern) != pattern.size() || Utf8ValidUpTo(text) != text.size()) return;
  const auto regex = tokenizer::regex::Regex::Load(pattern, "the pattern");
  if (!regex) {
    const ErrorCode code = regex.error().code();
    return Require(code == ErrorCode::kInvalidModel || code == ErrorCode::kUnsupportedModel);
  }
  tokenizer::Budget budget(text.size());
  const size_t steps = budget.steps_left;
  std::vector<tokenizer::ByteRange> matches;
  const Status found = regex->FindAll(text, 0, budget.steps_left, matches);
  Require(found || found.error().code() == ErrorCode::kInvalidInput);
  Require(budget.steps_left <= steps);
  // In order, without overlap, and characters as a whole.
  uint32_t end = 0;
  for (const tokenizer::ByteRange match : matches) {
    Require(match.begin >= end && match.begin <= match.end && match.end <= text.size());
    for (const uint32_t place : {match.begin, match.end}) {
      Require(place == text.size() || !IsUtf8Continuation(text[place]));
    }
    end = match.end;
  }
}

}  // namespace akin::fuzz

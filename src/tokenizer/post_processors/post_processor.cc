#include "tokenizer/post_processors/post_processor.h"

#include <limits>

#include "tokenizer/models/vocabulary.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<PostProcessor> kPostProcessors[] = {
    {"BertProcessing", LoadBertProcessing}, {"TemplateProcessing", LoadTemplateProcessing},
    {"ByteLevel", LoadByteLevelProcessing}, {"RobertaProcessing", LoadRobertaProcessing},
    {"Sequence", LoadProcessingSequence},
};

}  // namespace

int CountSpecialTokens(const Template& items) {
  int count = 0;
  for (const TemplateItem& item : items) count += !item.is_text;
  return count;
}

PostProcessor::PostProcessor(Parts parts)
    : parts_(std::move(parts)),
      num_special_tokens_(CountSpecialTokens(parts_.single)),
      num_special_tokens_in_pair_(CountSpecialTokens(parts_.pair)) {}

PostProcessor::Parts PassThrough() {
  return {.single = {{.is_text = true}},
          .pair = {{.is_text = true}, {.is_text = true, .is_second = true, .type_id = 1}},
          .adds_tokens = false};
}

Result<std::string_view> ReadSpecialToken(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view token, json.AsString());
  if (token.size() <= kMaxPieceBytes) return token;
  return UnsupportedModel(json.Where(), " has ", token.size(), " bytes, at most ", kMaxPieceBytes,
                          " are supported");
}

Result<TemplateItem> ReadTokenPair(const formats::JsonValue& json, std::string_view key) {
  AKIN_TRY_ASSIGN(const formats::JsonValue pair, json.Get(key));
  AKIN_TRY_ASSIGN(const auto elements, pair.AsArray());
  if (pair.size() != 2) {
    return InvalidModel(pair.Where(), " has ", pair.size(),
                        " elements, expected a token and its id");
  }
  auto element = elements.begin();
  AKIN_TRY_ASSIGN(const std::string_view token, ReadSpecialToken(*element));
  AKIN_TRY_ASSIGN(const int64_t id, (*++element).AsIntIn(0, std::numeric_limits<int32_t>::max()));
  return TemplateItem{.id = static_cast<int32_t>(id), .token = std::string(token)};
}

Result<std::unique_ptr<const PostProcessor>> LoadPostProcessor(const formats::JsonValue& json) {
  return LoadStage<PostProcessor>(kPostProcessors, json);
}

}  // namespace akin::tokenizer

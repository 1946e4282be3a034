#include <limits>

#include "tokenizer/post_processors/post_processor.h"

namespace akin::tokenizer {
namespace {

// A special token written as ["[CLS]", 101].
Result<TemplateItem> ReadTokenPair(const formats::JsonValue& json, std::string_view key) {
  AKIN_TRY_ASSIGN(const formats::JsonValue pair, json.Get(key));
  AKIN_TRY_ASSIGN(const auto elements, pair.AsArray());
  if (pair.size() != 2) {
    return InvalidModel(pair.Where(), " has ", pair.size(),
                        " elements, expected a token and its id");
  }
  auto element = elements.begin();
  AKIN_TRY_ASSIGN(const std::string_view token, (*element).AsString());
  AKIN_TRY_ASSIGN(const int64_t id, (*++element).AsIntIn(0, std::numeric_limits<int32_t>::max()));
  return TemplateItem{.id = static_cast<int32_t>(id), .token = std::string(token)};
}

}  // namespace

// [CLS] text [SEP]
Result<std::unique_ptr<const PostProcessor>> LoadBertProcessing(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(TemplateItem cls, ReadTokenPair(json, "cls"));
  AKIN_TRY_ASSIGN(TemplateItem sep, ReadTokenPair(json, "sep"));
  return MakeStage<PostProcessor, PostProcessor>(
      std::vector<TemplateItem>{std::move(cls), {.is_text = true}, std::move(sep)});
}

}  // namespace akin::tokenizer

#include "tokenizer/post_processors/post_processor.h"

namespace akin::tokenizer {

// [CLS] first [SEP], or [CLS] first [SEP] second [SEP] with type 1 from the second text on.
Result<std::unique_ptr<const PostProcessor>> LoadBertProcessing(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const TemplateItem cls, ReadTokenPair(json, "cls"));
  AKIN_TRY_ASSIGN(const TemplateItem sep, ReadTokenPair(json, "sep"));
  TemplateItem last_sep = sep;
  last_sep.type_id = 1;
  const TemplateItem first = {.is_text = true};
  const TemplateItem second = {.is_text = true, .is_second = true, .type_id = 1};
  return MakeStage<PostProcessor, PostProcessor>(
      PostProcessor::Parts{.single = {cls, first, sep},
                           .pair = {cls, first, sep, second, last_sep},
                           .joins_tokens = true});
}

}  // namespace akin::tokenizer

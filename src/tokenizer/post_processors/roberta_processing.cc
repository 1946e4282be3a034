#include "tokenizer/post_processors/post_processor.h"

namespace akin::tokenizer {

// <s> first </s>, or <s> first </s></s> second </s>, everything with type 0.
Result<std::unique_ptr<const PostProcessor>> LoadRobertaProcessing(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const TemplateItem cls, ReadTokenPair(json, "cls"));
  AKIN_TRY_ASSIGN(const TemplateItem sep, ReadTokenPair(json, "sep"));
  AKIN_TRY_ASSIGN(const bool trim_offsets, GetBool(json, "trim_offsets"));
  AKIN_TRY_ASSIGN(const bool add_prefix_space, GetBool(json, "add_prefix_space"));
  const TemplateItem first = {.is_text = true};
  const TemplateItem second = {.is_text = true, .is_second = true};
  PostProcessor::Parts parts = {.single = {cls, first, sep},
                                .pair = {cls, first, sep, sep, second, sep},
                                .overflow_has_type_0 = true,
                                .joins_tokens = true};
  if (trim_offsets) parts.trims.push_back({.add_prefix_space = add_prefix_space});
  return MakeStage<PostProcessor, PostProcessor>(std::move(parts));
}

}  // namespace akin::tokenizer

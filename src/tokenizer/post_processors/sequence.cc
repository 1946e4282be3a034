#include <string>

#include "tokenizer/post_processors/post_processor.h"

namespace akin::tokenizer {

// Several post-processors, of which at most one adds tokens: the others correct offsets. The
// reference panics when a template follows another one, so no working file has two.
Result<std::unique_ptr<const PostProcessor>> LoadProcessingSequence(
    const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue list, json.Get("processors"));
  AKIN_TRY_ASSIGN(const auto elements, list.AsArray());
  PostProcessor::Parts parts = PassThrough();
  for (const formats::JsonValue element : elements) {
    AKIN_TRY_ASSIGN(const auto processor, LoadPostProcessor(element));
    if (processor->adds_tokens()) {
      if (parts.adds_tokens) {
        return UnsupportedModel(element.Where(), " adds tokens to those of another one before it");
      }
      parts.single = processor->single();
      parts.pair = processor->pair();
      parts.overflow_has_type_0 = processor->overflow_has_type_0();
      parts.adds_tokens = true;
    }
    for (const OffsetTrim trim : processor->trims()) {
      if (parts.joins_tokens && trim.add_prefix_space) {
        return UnsupportedModel(element.Where(),
                                " trims offsets after special tokens were added, which is not "
                                "supported with add_prefix_space");
      }
      parts.trims.push_back(trim);
    }
    parts.joins_tokens |= processor->joins_tokens();
  }
  return MakeStage<PostProcessor, PostProcessor>(std::move(parts));
}

}  // namespace akin::tokenizer

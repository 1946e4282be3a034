#include "tokenizer/post_processors/post_processor.h"

namespace akin::tokenizer {

// Adds no tokens; with "trim_offsets" the offsets leave out the blanks that tokens carry.
Result<std::unique_ptr<const PostProcessor>> LoadByteLevelProcessing(
    const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const bool trim_offsets, GetBool(json, "trim_offsets"));
  AKIN_TRY_ASSIGN(const bool add_prefix_space, GetBool(json, "add_prefix_space"));
  PostProcessor::Parts parts = PassThrough();
  if (trim_offsets) parts.trims.push_back({.add_prefix_space = add_prefix_space});
  return MakeStage<PostProcessor, PostProcessor>(std::move(parts));
}

}  // namespace akin::tokenizer

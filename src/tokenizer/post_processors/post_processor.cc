#include "tokenizer/post_processors/post_processor.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<PostProcessor> kPostProcessors[] = {
    {"BertProcessing", LoadBertProcessing},
    {"TemplateProcessing", LoadTemplateProcessing},
    {"ByteLevel", nullptr},
    {"RobertaProcessing", nullptr},
    {"Sequence", nullptr},
};

}  // namespace

PostProcessor::PostProcessor(std::vector<TemplateItem> single) : single_(std::move(single)) {
  for (const TemplateItem& item : single_) num_special_tokens_ += !item.is_text;
}

Result<std::unique_ptr<const PostProcessor>> LoadPostProcessor(const formats::JsonValue& json) {
  return LoadStage<PostProcessor>(kPostProcessors, json);
}

}  // namespace akin::tokenizer

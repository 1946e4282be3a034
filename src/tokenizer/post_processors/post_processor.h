// The "post_processor" of tokenizer.json: puts special tokens around the tokens of a text.
//
// Every kind comes down to a template, a list of special tokens and places for the text, so that a
// kind is only a way to read one from JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

// One item of a template: a special token, or the place of the text's own tokens.
struct TemplateItem {
  bool is_text = false;
  int32_t type_id = 0;     // Of the special token, or of all tokens of the text.
  int32_t id = 0;          // Of the special token, as
  std::string token = {};  // its text.
};

class PostProcessor {
 public:
  explicit PostProcessor(std::vector<TemplateItem> single);

  // For a single text.
  const std::vector<TemplateItem>& single() const { return single_; }
  // Special tokens in single().
  int num_special_tokens() const { return num_special_tokens_; }

 private:
  std::vector<TemplateItem> single_;
  int num_special_tokens_ = 0;
};

// The post-processor that `json` describes, an object with a "type".
StageLoader<PostProcessor> LoadPostProcessor;

// One loader a type, defined in the type's own file; post_processor.cc has the table.
StageLoader<PostProcessor> LoadBertProcessing, LoadTemplateProcessing;

}  // namespace akin::tokenizer

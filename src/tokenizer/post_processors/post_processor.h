// The "post_processor" of tokenizer.json: puts special tokens around the tokens of a text.
//
// Every kind comes down to a template, a list of special tokens and places for the text, so that a
// kind is only a way to read one from JSON, and steps that correct offsets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

// One item of a template: a special token, or the place of a text's own tokens.
struct TemplateItem {
  bool is_text = false;
  bool is_second = false;  // Of a pair.
  int32_t type_id = 0;     // Of the special token, or of all tokens of the text.
  int32_t id = 0;          // Of the special token, as
  std::string token = {};  // its text.
};

using Template = std::vector<TemplateItem>;

int CountSpecialTokens(const Template& items);

// Shortens the offsets of tokens by the blanks at both ends of their texts, which byte-level
// vocabularies keep in the token.
struct OffsetTrim {
  bool add_prefix_space;  // One leading blank of the first token was added and is not counted.
};

class PostProcessor {
 public:
  struct Parts {
    Template single, pair;
    std::vector<OffsetTrim> trims = {};  // Applied one after the other.
    // Tokens of the overflow have type 0 with special tokens; else 0 and 1, by their text.
    bool overflow_has_type_0 = false;
    bool adds_tokens = true;  // Not only a step on offsets.
    // The special tokens around a text count as its tokens for the trims of later processors.
    bool joins_tokens = false;
  };
  explicit PostProcessor(Parts parts);

  const Template& single() const { return parts_.single; }
  const Template& pair() const { return parts_.pair; }
  const Template& Items(bool is_pair) const { return is_pair ? parts_.pair : parts_.single; }
  const std::vector<OffsetTrim>& trims() const { return parts_.trims; }
  bool overflow_has_type_0() const { return parts_.overflow_has_type_0; }
  bool adds_tokens() const { return parts_.adds_tokens; }
  bool joins_tokens() const { return parts_.joins_tokens; }
  // Special tokens in single() or pair().
  int num_special_tokens() const { return num_special_tokens_; }
  int num_special_tokens(bool is_pair) const {
    return is_pair ? num_special_tokens_in_pair_ : num_special_tokens_;
  }

 private:
  Parts parts_;
  int num_special_tokens_, num_special_tokens_in_pair_;
};

// The text alone, and a pair one after the other: what there is without a post-processor.
PostProcessor::Parts PassThrough();

// The text of a special token, which every encoding that tells its tokens has a copy of.
Result<std::string_view> ReadSpecialToken(const formats::JsonValue& json);

// A special token written as ["[CLS]", 101].
Result<TemplateItem> ReadTokenPair(const formats::JsonValue& json, std::string_view key);

// The post-processor that `json` describes, an object with a "type".
StageLoader<PostProcessor> LoadPostProcessor;

// One loader a type, defined in the type's own file; post_processor.cc has the table.
StageLoader<PostProcessor> LoadBertProcessing, LoadTemplateProcessing, LoadByteLevelProcessing,
    LoadRobertaProcessing, LoadProcessingSequence;

}  // namespace akin::tokenizer

// Texts that are longer than their limit, as windows.
//
//   [CLS] prompt | w1 w2 w3 | w4 w5 w6 | w7 [SEP]
//   -> [CLS] prompt w1 w2 w3 [SEP], [CLS] prompt w4 w5 w6 [SEP], [CLS] prompt w7 [SEP]
//
// A text is tokenized once, as a whole, and its tokens are dealt out: the windows hold what the
// text holds, and each has the special tokens and the prompt of a text of its own. Late chunking
// keeps the text whole, as far as the model's context reaches, and makes the windows segments of
// it.
#pragma once

#include <span>
#include <string_view>

#include "akin/options.h"
#include "akin/result.h"
#include "akin/tokenizer.h"

#include "engine/text_reader.h"
#include "tokenizer/pipeline.h"

namespace akin::engine {

struct WindowArgs {
  const tokenizer::Pipeline& tokenizer;
  const EmbedOptions& options;
  const EncodeOptions& encode;  // max_tokens is the limit of a text.
  std::string_view prompt;
  bool excludes_prompt = false;
  bool keeps_texts = false;
  int max_positions = 0;
};

// `read` are the texts as they were read, cut to the limit; those that were cut come back as
// windows. Errors: InvalidInput (windows that have no room, an overlap that is not smaller).
Result<ReadTexts> SplitIntoWindows(std::span<const std::string_view> texts, ReadTexts read,
                                   const WindowArgs& args);

}  // namespace akin::engine

// Folders from before tokenizer.json: a BERT model with a vocab.txt, one piece a line, and a
// tokenizer_config.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::tokenizer {

// The tokenizer.json that means the same. `config` is the text of tokenizer_config.json, if there
// is one. Errors: InvalidModel; UnsupportedModel, when the configuration names a class that is no
// BERT tokenizer.
Result<std::string> TokenizerJsonFromVocabTxt(std::string_view vocab,
                                              const std::optional<std::string>& config);

}  // namespace akin::tokenizer

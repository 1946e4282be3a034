// What a model's files say of its texts: limits, prompts, and what is done with them before the
// tokenizer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "akin/model_info.h"
#include "akin/options.h"
#include "akin/result.h"

namespace akin::model {

class ModelDirectory;

struct TextSettings {
  // sentence_bert_config.json's max_seq_length; unset: not said, the model's limits count.
  std::optional<int> max_seq_length;
  // tokenizer_config.json's model_max_length, which may be a number too large for any integer.
  std::optional<double> model_max_length;
  std::optional<TruncationSide> truncation_side;  // Unset: as tokenizer.json says.
  bool lower_case = false;                        // Texts are lower-cased before the tokenizer.

  // config_sentence_transformers.json
  std::vector<NamedPrompt> prompts;
  std::string default_prompt_name;  // One of them, or empty.
  std::string similarity;           // "cosine", "dot", "MaxSim"; empty: not said.
  // Where a call says nothing: how many values dense vectors are cut to, not normalized again, and
  // how many sparse ones keep.
  std::optional<int> truncate_dim, max_active_dims;

  // Longest text in tokens, special tokens included, for a model of so many positions: what is
  // said, within what can be computed.
  int MaxTokens(int max_positions) const;
};

// `input` is the folder of the encoder and its tokenizer, `directory` that of the model: the same
// one but for models of several encoders. Errors: InvalidModel, naming file and key.
Result<TextSettings> LoadTextSettings(const ModelDirectory& directory, const ModelDirectory& input);

}  // namespace akin::model

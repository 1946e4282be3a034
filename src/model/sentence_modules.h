// modules.json and the folders it names -> what happens around the transformer, as
// sentence-transformers defines it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "akin/result.h"
#include "akin/tokenizer.h"

#include "model/model_config.h"

namespace akin::model {

class ModelDirectory;

enum class PoolingMode { kCls, kMax, kMean, kMeanSqrtLen, kWeightedMean, kLastToken };

// sentence-transformers' names: "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean",
// "lasttoken".
std::string_view PoolingModeName(PoolingMode mode);

// --- Modules: what is done with the rows of the transformer. `folder` stands in messages. ---

// Token states -> one vector: the outputs of the modes side by side.
struct Pooling {
  std::string folder;
  std::vector<PoolingMode> modes;
  bool include_prompt = true;    // False: tokens of the prompt take no part.
  std::optional<int> dimension;  // Values in a state, where the file says it.
};

// Rows are scaled to length 1.
struct Normalize {
  std::string folder;
};

using Module = std::variant<Pooling, Normalize>;

struct SentenceModules {
  std::vector<Module> modules;  // In order; without the first one, the transformer itself.
  // Longest text in tokens, special tokens included: sentence_bert_config.json's max_seq_length, or
  // else the smaller of tokenizer_config.json's model_max_length and the number of positions, which
  // is the upper bound of all.
  int max_tokens = 0;
  // tokenizer_config.json's truncation_side; unset: as tokenizer.json says.
  std::optional<TruncationSide> truncation_side;
  // Put in front of every text (config_sentence_transformers.json: the prompt that
  // default_prompt_name names).
  std::string default_prompt;
};

// `config` is the folder's own, for the number of positions. A
// folder without modules.json is a bare transformers folder: mean pooling, no normalization, as
// sentence-transformers has it. Errors: InvalidModel, UnsupportedModel, ModelNotFound (a module's
// folder); they name the file and the key.
Result<SentenceModules> LoadSentenceModules(const ModelDirectory& directory,
                                            const ModelConfig& config);

}  // namespace akin::model

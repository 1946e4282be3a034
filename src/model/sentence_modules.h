// modules.json and the folders it names -> what happens around the transformer, as
// sentence-transformers defines it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::model {

class ModelDirectory;

enum class PoolingMode { kCls, kMax, kMean, kMeanSqrtLen, kWeightedMean, kLastToken };

// "cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken".
std::string_view PoolingModeName(PoolingMode mode);

struct SentenceModules {
  // Outputs of several modes are joined in the order of the enumeration.
  std::vector<PoolingMode> pooling;
  bool normalize = false;
  // sentence_bert_config.json: longest text in tokens, special tokens included.
  std::optional<int> max_seq_length;
  bool do_lower_case = false;
  // Put in front of every text (config_sentence_transformers.json: the prompt that
  // default_prompt_name names).
  std::string default_prompt;
};

// `hidden_size` is config.json's, for the check of the pooling's word_embedding_dimension.
Result<SentenceModules> LoadSentenceModules(const ModelDirectory& directory, int hidden_size);

}  // namespace akin::model

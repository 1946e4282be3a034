// Texts -> sequences, as a model and the options of a call want them: prompts, limits, windows, the
// ways of late interaction.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embeddings.h"
#include "akin/model_info.h"
#include "akin/options.h"
#include "akin/result.h"

#include "engine/tokenized_texts.h"
#include "engine/worker_pool.h"
#include "model/sentence_modules.h"
#include "tokenizer/pipeline.h"

namespace akin::engine {

// What the model's files say of reading.
struct ReaderSettings {
  std::optional<TruncationSide> truncation_side;
  bool add_special_tokens = true;  // A static model has none.
  bool excludes_prompt = false;
  // The backend's:
  int max_partly_attended = 0;
  bool keeps_texts = false;         // It reads them.
  bool gives_token_states = false;  // What vectors of parts of a sequence are made of.
  std::optional<model::LateInteraction> late;
};

// The sequences of a call, and what becomes of the rows that are made of them.
struct ReadTexts {
  TokenizedTexts sequences;
  size_t num_texts = 0;
  // The text of each sequence; empty: sequence i is text i, with one row.
  std::vector<uint32_t> text_of;
  std::vector<float> weights;  // Of each sequence in its text's mean (kAverage); empty: none.
  std::vector<Chunk> chunks;   // Of each row (kChunks, kLate).
};

// A text, or a pair of texts, to be scored.
struct ScoredText {
  std::string_view first;
  std::optional<std::string_view> second;
};

class TextReader {
 public:
  TextReader(const tokenizer::Pipeline& tokenizer, const ModelInfo& info,
             const ReaderSettings& settings)
      : tokenizer_(tokenizer), info_(info), settings_(settings) {}

  // Errors: InvalidInput (an option out of range or unknown, a text that is not UTF-8 or too long),
  // InvalidModel (a post-processor that makes more tokens than it may).
  Result<ReadTexts> Read(std::span<const std::string_view> texts, const EmbedOptions& options,
                         const WorkerPool& pool) const;
  Result<ReadTexts> ReadScored(std::span<const ScoredText> texts, const ScoreOptions& options,
                               const WorkerPool& pool) const;

  // The prompt's text. Error: InvalidInput, listing the names there are.
  Result<std::string_view> Prompt(const EmbedOptions& options) const;
  // Whether texts are read as queries of a late-interaction model.
  bool ReadsQueries(const EmbedOptions& options) const {
    return settings_.late && options.prompt_name == "query";
  }

 private:
  // How the texts of a call are read.
  struct Plan {
    std::string_view prompt;
    int32_t excluded_tokens = 0;
    EncodeOptions encode;
    int pad_to = 0;  // Fewer tokens are filled up with `pad_id`; 0: not at all.
    int32_t pad_id = 0;
  };
  Result<Plan> MakePlan(const EmbedOptions& options) const;
  Status PlanLateInteraction(const EmbedOptions& options, Plan& plan) const;
  Result<int> MaxTokens(std::optional<int> asked, int own) const;
  Result<int32_t> ExcludedTokens(std::string_view prompt) const;
  Status ReadText(std::string_view text, const Plan& plan, SequenceBuilder& sequence) const;
  Status CheckOverflow(const TokenizedTexts& sequences, int max_tokens) const;

  const tokenizer::Pipeline& tokenizer_;
  const ModelInfo& info_;
  const ReaderSettings& settings_;
};

}  // namespace akin::engine

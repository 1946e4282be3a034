// All texts of a call as token ids.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "akin/result.h"
#include "akin/tokenizer.h"

#include "engine/worker_pool.h"
#include "tokenizer/pipeline.h"

namespace akin::engine {

class TokenizedTexts {
 public:
  // What is put in front of every text, and how many tokens of the result, counted from its start,
  // take no part in the text's vector.
  struct Prompt {
    std::string_view text;
    int32_t excluded_tokens = 0;
  };

  // Tokenizes `texts`, many of them on several threads. Errors: those of
  // tokenizer::Pipeline::Encode, and InvalidInput for a text of which only the prompt is left, with
  // the index of the first text that has one.
  static Result<TokenizedTexts> Make(const tokenizer::Pipeline& pipeline,
                                     std::span<const std::string_view> texts, const Prompt& prompt,
                                     const EncodeOptions& options, const WorkerPool& pool);

  // Texts of several calls as one, copied in their order.
  struct Source {
    const TokenizedTexts* texts = nullptr;
    uint32_t text = 0;
  };
  static TokenizedTexts Join(std::span<const Source> sources);

  size_t size() const { return lengths_.size(); }
  // Tokens of each text after truncation, and tokens cut from it.
  std::span<const int32_t> lengths() const { return lengths_; }
  std::span<const int32_t> truncated() const { return truncated_; }
  // The first tokens of each text that take no part in its vector; fewer than its length.
  std::span<const int32_t> excluded() const { return excluded_; }

  std::span<const int32_t> input_ids(size_t text) const { return Slice(&Chunk::input_ids, text); }
  std::span<const int32_t> token_type_ids(size_t text) const {
    return Slice(&Chunk::token_type_ids, text);
  }

 private:
  // Neighbouring texts, tokenized by one thread into one pair of vectors.
  struct Chunk {
    size_t first_text = 0, last_text = 0;
    std::vector<int32_t> input_ids;
    std::vector<int32_t> token_type_ids;
  };
  // Where a text's tokens are.
  struct Place {
    uint32_t chunk = 0;
    size_t first_token = 0;
  };

  void PlanChunks(std::span<const std::string_view> texts);
  std::span<const int32_t> Slice(std::vector<int32_t> Chunk::* ids, size_t text) const {
    const Place& place = places_[text];
    return std::span(chunks_[place.chunk].*ids)
        .subspan(place.first_token, static_cast<size_t>(lengths_[text]));
  }

  std::vector<Chunk> chunks_;
  std::vector<Place> places_;
  std::vector<int32_t> lengths_;
  std::vector<int32_t> truncated_;
  std::vector<int32_t> excluded_;
};

}  // namespace akin::engine

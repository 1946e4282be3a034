// The texts of a call as sequences of token ids.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "base/function_ref.h"
#include "engine/worker_pool.h"
#include "pooling/step.h"
#include "tokenizer/pipeline.h"

namespace akin::engine {

// One sequence on its way into a TokenizedTexts: what a reader appends and sets.
struct SequenceBuilder {
  tokenizer::Scratch& scratch;
  std::string& text;  // Room for a text with its prompt.
  std::vector<int32_t>& input_ids;
  std::vector<int32_t>& token_type_ids;
  int32_t truncated = 0;  // Tokens cut.
  int32_t excluded = 0;   // First tokens that take no part in the vector; fewer than all.
  int32_t attended = 0;   // First tokens that all tokens attend to; 0: all of them.
  std::string* kept_text = nullptr;  // What the tokens are of; null: nobody wants it.
};

// A sequence by itself.
struct Sequence {
  std::span<const int32_t> input_ids;
  std::span<const int32_t> token_type_ids;
  int32_t truncated = 0;  // As in SequenceBuilder.
  int32_t excluded = 0;
  int32_t attended = 0;
  // What becomes vectors of their own in place of one for all of it, if there are any; `begin` is
  // counted in the sequence.
  std::vector<pooling::Segment> segments;
  std::string_view text;  // Empty where nobody wants it.
};

class TokenizedTexts {
 public:
  TokenizedTexts() = default;

  // One sequence for each of `num_texts` texts, of about `bytes(i)` bytes, many of them on several
  // threads. Error: that of the first text that has one, with its index.
  using Reader = FunctionRef<Status(size_t text, SequenceBuilder& sequence)>;
  static Result<TokenizedTexts> Make(size_t num_texts, FunctionRef<size_t(size_t)> bytes,
                                     Reader read, const WorkerPool& pool, bool keep_texts = false);

  // Sequences of several calls as one, copied in their order.
  struct Source {
    const TokenizedTexts* texts = nullptr;
    uint32_t text = 0;
  };
  static TokenizedTexts Join(std::span<const Source> sources);

  void Append(Sequence sequence);

  size_t size() const { return lengths_.size(); }
  // Tokens of each sequence after truncation, and tokens cut from it.
  std::span<const int32_t> lengths() const { return lengths_; }
  std::span<const int32_t> truncated() const { return truncated_; }
  // The first tokens of each sequence that take no part in its vector; fewer than its length.
  std::span<const int32_t> excluded() const { return excluded_; }
  // The first tokens of each sequence that its tokens attend to; 0: all of them.
  std::span<const int32_t> attended() const { return attended_; }
  // What becomes vectors of a sequence; empty: all of it that is not excluded.
  std::span<const pooling::Segment> segments(size_t i) const {
    return segments_.empty() ? std::span<const pooling::Segment>() : segments_[i];
  }

  // What sequence i is the tokens of; empty where texts are not kept.
  std::string_view text(size_t i) const {
    return texts_.empty() ? std::string_view() : std::string_view(texts_[i]);
  }

  std::span<const int32_t> input_ids(size_t i) const { return Slice(&Chunk::input_ids, i); }
  std::span<const int32_t> token_type_ids(size_t i) const {
    return Slice(&Chunk::token_type_ids, i);
  }

 private:
  // Neighbouring sequences, tokenized by one thread into one pair of vectors.
  struct Chunk {
    size_t first_text = 0, last_text = 0;
    std::vector<int32_t> input_ids;
    std::vector<int32_t> token_type_ids;
  };
  // Where a sequence's tokens are.
  struct Place {
    uint32_t chunk = 0;
    size_t first_token = 0;
  };

  void PlanChunks(size_t num_texts, FunctionRef<size_t(size_t)> bytes);
  std::span<const int32_t> Slice(std::vector<int32_t> Chunk::* ids, size_t i) const {
    const Place& place = places_[i];
    return std::span(chunks_[place.chunk].*ids)
        .subspan(place.first_token, static_cast<size_t>(lengths_[i]));
  }

  std::vector<Chunk> chunks_;
  std::vector<Place> places_;
  std::vector<int32_t> lengths_;
  std::vector<int32_t> truncated_;
  std::vector<int32_t> excluded_;
  std::vector<int32_t> attended_;
  std::vector<std::vector<pooling::Segment>> segments_;  // Empty, or one a sequence.
  std::vector<std::string> texts_;                       // Likewise.
};

}  // namespace akin::engine

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/wanted_until.h"

namespace akin {

// Sequences end to end, without padding. Borrows its arrays.
struct RaggedBatch {
  std::span<const int32_t> input_ids;       // [num_tokens]
  std::span<const int32_t> token_type_ids;  // [num_tokens], or empty: all 0.
  std::span<const int32_t>
      cu_seqlens;  // [num_sequences + 1]; sequence s is tokens [cu_seqlens[s], cu_seqlens[s + 1]).
  // [num_sequences], or empty: all. Tokens of sequence s attend to its first attended[s] tokens
  // only (ColBERT's mask tokens, which nobody sees, themselves included).
  std::span<const int32_t> attended;
  // [num_sequences], or empty: what each sequence is the tokens of, for backends that read texts
  // (BackendInfo::reads_texts).
  std::span<const std::string_view> texts;

  // Of the rows that are computed for tokens, only those of each sequence's first token are read: a
  // backend may leave the others as they were.
  bool only_first_rows = false;

  // Null: for ever. A backend that can end what it has begun does so when nobody wants the rows any
  // more, with DeadlineExceeded or Cancelled (native between layers, onnxruntime between nodes);
  // others compute on.
  const WantedUntil* wanted_until = nullptr;

  size_t num_tokens() const { return input_ids.size(); }
  size_t num_sequences() const { return cu_seqlens.empty() ? 0 : cu_seqlens.size() - 1; }
  size_t begin(size_t sequence) const { return static_cast<size_t>(cu_seqlens[sequence]); }
  size_t length(size_t sequence) const {
    return static_cast<size_t>(cu_seqlens[sequence + 1] - cu_seqlens[sequence]);
  }
  // The first tokens of the sequence that its tokens attend to.
  size_t attended_length(size_t sequence) const {
    return attended.empty() ? length(sequence) : static_cast<size_t>(attended[sequence]);
  }
};

}  // namespace akin

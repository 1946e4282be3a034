// Sequences that the network would make the same rows of, each computed once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "engine/tokenized_texts.h"

namespace akin::engine {

class EqualSequences {
 public:
  EqualSequences() = default;
  // Of `texts`; sequences whose `network` differs are no equals.
  EqualSequences(const TokenizedTexts& texts, FunctionRef<const void*(uint32_t sequence)> network);

  size_t size() const { return begin_.empty() ? 0 : begin_.size() - 1; }
  // The sequences of group i, in their order; groups are in the order of their first ones.
  std::span<const uint32_t> operator[](size_t i) const {
    return std::span(sequences_).subspan(begin_[i], begin_[i + 1] - begin_[i]);
  }

 private:
  std::vector<uint32_t> sequences_;
  std::vector<uint32_t> begin_;  // Of each group in `sequences_`, and the end.
};

}  // namespace akin::engine

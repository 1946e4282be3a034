// The merges of a BPE model: which two neighbouring symbols become one, and which pair goes first.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "tokenizer/models/hash.h"

namespace akin::tokenizer {

// One open-addressing table keyed by both ids.
class MergeTable {
 public:
  static constexpr uint32_t kNoRank = ~uint32_t{0};
  struct Merge {
    uint32_t left, right;
    uint32_t rank;  // The lowest goes first; kNoRank: no such merge.
    uint32_t merged;
  };

  // Of a pair that occurs twice the last merge counts.
  explicit MergeTable(const std::vector<Merge>& merges);

  // The merge of the pair, or one whose rank is kNoRank.
  const Merge& Find(uint32_t left, uint32_t right) const {
    const uint64_t key = Key(left, right);
    for (size_t i = Home(key);; i = (i + 1) & mask_) {
      const Merge& merge = merges_[i];
      if (merge.rank == kNoRank || Key(merge.left, merge.right) == key) return merge;
    }
  }

 private:
  static uint64_t Key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }
  size_t Home(uint64_t key) const { return MixBits(key ^ seed_, seed_ | 1) & mask_; }

  std::vector<Merge> merges_;  // At most half full.
  size_t mask_;
  uint64_t seed_ = HashSeed();
};

}  // namespace akin::tokenizer

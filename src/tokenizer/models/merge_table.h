// The merges of a BPE model: which two neighbouring symbols become one, and which pair goes first.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "tokenizer/models/hash.h"

namespace akin::tokenizer {

// One open-addressing table keyed by both ids. It is larger than the caches of a core, and most
// pairs that are asked for have no merge: a bit for each hash, in a set that stays in the second
// level cache, answers nearly all of those.
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
    const uint64_t hash = Hash(key);
    if (!MayHave(hash)) return kNone;
    for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Merge& merge = merges_[i];
      if (merge.rank == kNoRank || Key(merge.left, merge.right) == key) return merge;
    }
  }

  // Asks for the memory that Find reads.
  void Prefetch(uint32_t left, uint32_t right) const {
    __builtin_prefetch(&merges_[Hash(Key(left, right)) & mask_]);
  }

 private:
  static uint64_t Key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }
  uint64_t Hash(uint64_t key) const { return MixBits(key ^ seed_, seed_ | 1); }
  // The upper bits of a hash are the place in has_.
  bool MayHave(uint64_t hash) const {
    const uint64_t bit = hash >> has_shift_;
    return (has_[bit / 64] >> bit % 64 & 1) != 0;
  }

  static constexpr Merge kNone = {0, 0, kNoRank, 0};
  std::vector<Merge> merges_;  // At most four fifths full.
  size_t mask_;
  std::vector<uint64_t> has_;  // Bits, of which at most an eighth is set.
  int has_shift_;
  uint64_t seed_ = HashSeed();
};

}  // namespace akin::tokenizer

#include "tokenizer/models/merge_table.h"

#include <algorithm>

#include "base/aligned_buffer.h"

namespace akin::tokenizer {

MergeTable::MergeTable(const std::vector<Merge>& merges)
    : mask_(std::bit_ceil(merges.size() + merges.size() / 4 + 1) - 1),
      has_(std::bit_ceil(std::max<size_t>(merges.size() * 8 / 64, 1))),
      has_shift_(64 - std::countr_zero(64 * has_.size())) {
  merges_.reserve(mask_ + 1);
  AdviseHugePages(merges_.data(), (mask_ + 1) * sizeof(Merge));
  merges_.resize(mask_ + 1, kNone);
  constexpr size_t kAhead = 16;  // Merges whose memory is asked for in advance.
  for (size_t m = 0; m < merges.size(); ++m) {
    const Merge& merge = merges[m];
    const Merge& later = merges[std::min(m + kAhead, merges.size() - 1)];
    __builtin_prefetch(&merges_[Hash(Key(later.left, later.right)) & mask_]);
    const uint64_t hash = Hash(Key(merge.left, merge.right));
    has_[hash >> has_shift_ >> 6] |= uint64_t{1} << (hash >> has_shift_) % 64;
    size_t i = hash & mask_;
    while (merges_[i].rank != kNoRank &&
           (merges_[i].left != merge.left || merges_[i].right != merge.right)) {
      i = (i + 1) & mask_;
    }
    merges_[i] = merge;
  }
}

}  // namespace akin::tokenizer

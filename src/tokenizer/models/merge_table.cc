#include "tokenizer/models/merge_table.h"

#include <algorithm>

namespace akin::tokenizer {

MergeTable::MergeTable(const std::vector<Merge>& merges)
    : merges_(std::bit_ceil(std::max<size_t>(2 * merges.size(), 2)), Merge{0, 0, kNoRank, 0}),
      mask_(merges_.size() - 1) {
  constexpr size_t kAhead = 16;  // Merges whose memory is asked for in advance.
  for (size_t m = 0; m < merges.size(); ++m) {
    const Merge& merge = merges[m];
    const Merge& later = merges[std::min(m + kAhead, merges.size() - 1)];
    __builtin_prefetch(&merges_[Home(Key(later.left, later.right))]);
    size_t i = Home(Key(merge.left, merge.right));
    while (merges_[i].rank != kNoRank &&
           (merges_[i].left != merge.left || merges_[i].right != merge.right)) {
      i = (i + 1) & mask_;
    }
    merges_[i] = merge;
  }
}

}  // namespace akin::tokenizer

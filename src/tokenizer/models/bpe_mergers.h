// The merging of a piece's symbols: of all neighbouring pairs that have a merge the one with the
// lowest rank is merged, the leftmost of equals, until none is left.
//
//   l o w e r  ->  lo w e r  ->  low e r  ->  low er  ->  lower
//
// Short pieces keep the rank of every pair in an array and look for the lowest by a linear scan;
// long ones (a megabyte of one letter) take the pairs from a heap, so that they cost n log n. In a
// header, so that the loops over pieces are compiled with it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "tokenizer/models/merge_table.h"

namespace akin::tokenizer {

// Symbols, the bits of a mask; above, the heap is faster.
inline constexpr size_t kShortPiece = 64;

// The symbols of a piece while they are merged. Four arrays of `capacity` in one memory.
struct Symbols {
  uint32_t* ids;
  uint32_t* sizes;  // Bytes of the piece that a symbol stands for.
  uint32_t* next;   // The symbol after, and
  uint32_t* previous;
  size_t count = 0;

  Symbols(uint32_t* memory, size_t capacity)
      : ids(memory),
        sizes(memory + capacity),
        next(memory + 2 * capacity),
        previous(memory + 3 * capacity) {}
  static constexpr size_t kArrays = 4;

  void Add(int32_t id, size_t bytes) {
    ids[count] = static_cast<uint32_t>(id);
    sizes[count++] = static_cast<uint32_t>(bytes);
  }
};

// The lowest rank first, pair after pair, by scans over the ranks. Symbols that were merged away
// stay in the arrays, without a rank, until the end: what is left is a bit each of `live_`.
class ShortMerger {
 public:
  ShortMerger(const MergeTable& merges, Symbols& symbols)
      : merges_(merges), ids_(symbols.ids), symbols_(symbols) {
    const size_t count = symbols.count;
    num_ranks_ = (count + kStep - 1) / kStep * kStep;
    live_ = count == kShortPiece ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    // The table is larger than the caches: all pairs wait for memory together.
    for (size_t i = 0; i + 1 < count; ++i) merges.Prefetch(ids_[i], ids_[i + 1]);
    for (size_t i = 0; i + 1 < count; ++i) Look(i, i + 1);
    std::fill(ranks_.data() + (count == 0 ? 0 : count - 1), ranks_.data() + num_ranks_, kNoRank);
  }

  void Run() {
    while (true) {
      // Two loops: each is a few vector operations, one that keeps the place is not.
      uint32_t lowest = kNoRank;
      for (size_t i = 0; i < num_ranks_; ++i) lowest = std::min(lowest, ranks_[i]);
      if (lowest == kNoRank) break;
      Merge(static_cast<size_t>(std::find(ranks_.data(), ranks_.data() + num_ranks_, lowest) -
                                ranks_.data()));
    }
    Compact();
  }

 private:
  static constexpr uint32_t kNoRank = MergeTable::kNoRank;
  static constexpr size_t kStep = 8;

  // Of the pair of the symbols at i and `next`.
  void Look(size_t i, size_t next) {
    const MergeTable::Merge& merge = merges_.Find(ids_[i], ids_[next]);
    ranks_[i] = merge.rank;
    merged_[i] = merge.merged;
  }

  void Merge(size_t i) {
    const uint64_t behind = live_ & (~uint64_t{1} << i);
    const auto right = static_cast<size_t>(std::countr_zero(behind));
    const uint64_t rest = behind & (behind - 1);
    ids_[i] = merged_[i];
    symbols_.sizes[i] += symbols_.sizes[right];
    ranks_[i] = ranks_[right] = kNoRank;
    live_ &= ~(uint64_t{1} << right);
    const uint64_t before = live_ & ((uint64_t{1} << i) - 1);
    if (rest != 0) Look(i, static_cast<size_t>(std::countr_zero(rest)));
    if (before != 0) Look(static_cast<size_t>(std::bit_width(before) - 1), i);
  }

  void Compact() {
    size_t kept = 0;
    for (uint64_t bits = live_; bits != 0; bits &= bits - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(bits));
      ids_[kept] = ids_[i];
      symbols_.sizes[kept++] = symbols_.sizes[i];
    }
    symbols_.count = kept;
  }

  const MergeTable& merges_;
  uint32_t* const ids_;
  Symbols& symbols_;
  uint64_t live_;
  size_t num_ranks_;
  // Of the pair that begins at a symbol, and what it becomes.
  std::array<uint32_t, kShortPiece> ranks_;
  std::array<uint32_t, kShortPiece> merged_;
};

// The same from a heap of (rank, place). A pair that has changed since it was put there has another
// rank now, or none, and is passed over.
class HeapMerger {
 public:
  HeapMerger(const MergeTable& merges, Symbols& symbols, std::vector<uint64_t>& heap)
      : merges_(merges), symbols_(symbols), heap_(heap) {}

  void Run() {
    heap_.clear();
    const auto count = static_cast<uint32_t>(symbols_.count);
    for (uint32_t i = 0; i < count; ++i) {
      symbols_.previous[i] = i == 0 ? kNone : i - 1;
      symbols_.next[i] = i + 1 == count ? kNone : i + 1;
    }
    for (uint32_t i = 0; i + 1 < count; ++i) {
      if (const uint64_t entry = Entry(i); entry != kNoEntry) heap_.push_back(entry);
    }
    std::ranges::make_heap(heap_, std::greater<>());
    while (!heap_.empty()) {
      std::ranges::pop_heap(heap_, std::greater<>());
      const uint64_t entry = heap_.back();
      heap_.pop_back();
      const auto place = static_cast<uint32_t>(entry);
      if (symbols_.ids[place] != kNone && Entry(place) == entry) Merge(place);
    }
    Compact(count);
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  static constexpr uint64_t kNoEntry = ~uint64_t{0};

  // What the heap holds of the pair that begins at `place`.
  uint64_t Entry(uint32_t place) const {
    const uint32_t next = symbols_.next[place];
    if (next == kNone) return kNoEntry;
    const uint32_t rank = merges_.Find(symbols_.ids[place], symbols_.ids[next]).rank;
    return rank == MergeTable::kNoRank ? kNoEntry : uint64_t{rank} << 32 | place;
  }

  void Push(uint32_t place) {
    const uint64_t entry = Entry(place);
    if (entry == kNoEntry) return;
    heap_.push_back(entry);
    std::ranges::push_heap(heap_, std::greater<>());
  }

  void Merge(uint32_t place) {
    const uint32_t right = symbols_.next[place];
    symbols_.ids[place] = merges_.Find(symbols_.ids[place], symbols_.ids[right]).merged;
    symbols_.sizes[place] += symbols_.sizes[right];
    symbols_.ids[right] = kNone;
    const uint32_t next = symbols_.next[place] = symbols_.next[right];
    if (next != kNone) symbols_.previous[next] = place;
    if (symbols_.previous[place] != kNone) Push(symbols_.previous[place]);
    Push(place);
  }

  void Compact(uint32_t count) {
    size_t kept = 0;
    for (uint32_t i = 0; i < count; ++i) {
      if (symbols_.ids[i] == kNone) continue;
      symbols_.ids[kept] = symbols_.ids[i];
      symbols_.sizes[kept++] = symbols_.sizes[i];
    }
    symbols_.count = kept;
  }

  const MergeTable& merges_;
  Symbols& symbols_;
  std::vector<uint64_t>& heap_;
};

}  // namespace akin::tokenizer

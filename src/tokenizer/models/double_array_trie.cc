#include "tokenizer/models/double_array_trie.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace akin::tokenizer {
namespace {

constexpr uint32_t kBlock = 256;
// Blocks in which a place is looked for; older ones are nearly full and are left alone, so that
// building takes time in proportion to the keys.
constexpr uint32_t kOpenBlocks = 24;
constexpr uint32_t kFewKeys = 24;  // Sorted by insertion; more by counting.

}  // namespace

// Places the children of one node after the other, depth first: what waits is never more than the
// keys, and the nodes of one key lie together. The keys of a node come in any order; they are
// sorted by the one byte that tells its children apart (a radix sort), so that no two keys are ever
// compared.
class DoubleArrayBuilder {
 public:
  DoubleArrayBuilder(std::vector<DoubleArrayTrie::Entry> entries,
                     std::vector<DoubleArrayTrie::Unit>& units)
      : entries_(std::move(entries)), sorted_(entries_.size()), units_(units) {}

  void Build() {
    AddBlock();
    Occupy(DoubleArrayTrie::kRoot);
    std::vector<Subtree> pending = {
        {DoubleArrayTrie::kRoot, 0, 0, static_cast<uint32_t>(entries_.size())}};
    if (entries_.empty()) pending.clear();
    while (!pending.empty()) {
      const Subtree next = pending.back();
      pending.pop_back();
      Expand(next, pending);
    }
    units_.shrink_to_fit();
  }

 private:
  // The keys entries_[first, last), more than none, share their first `depth` bytes, which lead to
  // `node`. Equal keys keep their order.
  struct Subtree {
    uint32_t node;
    uint32_t depth, first, last;
  };

  void Expand(Subtree subtree, std::vector<Subtree>& pending) {
    const size_t first_child = pending.size();
    num_labels_ = 0;
    if (subtree.last - subtree.first == 1) {
      AddOnlyChild(subtree, pending);
    } else {
      AddChildren(subtree, pending);
    }
    if (num_labels_ == 0) return;
    const uint32_t base = FindBase();
    units_[subtree.node].base = base;
    for (size_t i = first_child; i < pending.size(); ++i) {
      pending[i].node ^= base;  // It was the label.
      Occupy(pending[i].node);
      units_[pending[i].node].parent = subtree.node;
    }
  }

  // Most nodes are of one key.
  void AddOnlyChild(Subtree subtree, std::vector<Subtree>& pending) {
    const auto [node, depth, first, last] = subtree;
    const auto& [key, value] = entries_[first];
    if (key.size() == depth) {
      units_[node].value = value;
      return;
    }
    const auto label = static_cast<unsigned char>(key[depth]);
    labels_[num_labels_++] = label;
    pending.push_back({label, depth + 1, first, last});
  }

  void AddChildren(Subtree subtree, std::vector<Subtree>& pending) {
    auto [node, depth, first, last] = subtree;
    Sort(subtree);
    // Of equal keys the last one counts.
    for (; first < last && entries_[first].first.size() == depth; ++first) {
      units_[node].value = entries_[first].second;
    }
    for (uint32_t i = first; i < last; ++i) {
      const auto label = static_cast<unsigned char>(entries_[i].first[depth]);
      if (num_labels_ == 0 || labels_[num_labels_ - 1] != label) {
        labels_[num_labels_++] = label;
        pending.push_back({label, depth + 1, i, i});
      }
      pending.back().last = i + 1;
    }
  }

  // By the byte at `depth`; keys that end there come first.
  void Sort(const Subtree& subtree) {
    const auto [node, depth, first, last] = subtree;
    const auto rank = [depth](const DoubleArrayTrie::Entry& entry) -> size_t {
      const std::string_view key = entry.first;
      return key.size() == depth ? 0 : size_t{1} + static_cast<unsigned char>(key[depth]);
    };
    if (last - first <= kFewKeys) {
      for (uint32_t i = first + 1; i < last; ++i) {
        const DoubleArrayTrie::Entry entry = entries_[i];
        const size_t own = rank(entry);
        uint32_t place = i;
        for (; place > first && rank(entries_[place - 1]) > own; --place) {
          entries_[place] = entries_[place - 1];
        }
        entries_[place] = entry;
      }
      return;
    }
    std::array<uint32_t, 257> places{};
    for (uint32_t i = first; i < last; ++i) ++places[rank(entries_[i])];
    uint32_t begin = first;
    for (uint32_t& place : places) place = std::exchange(begin, begin + place);
    for (uint32_t i = first; i < last; ++i) sorted_[places[rank(entries_[i])]++] = entries_[i];
    std::copy(sorted_.begin() + first, sorted_.begin() + last, entries_.begin() + first);
  }

  // A base at which the places of all labels_ are free.
  uint32_t FindBase() {
    const auto num_blocks = static_cast<uint32_t>(free_.size());
    while (num_open() > kOpenBlocks || (num_open() > 0 && num_free_[oldest_] == 0)) ++oldest_;
    for (uint32_t block = oldest_; block < num_blocks; ++block) {
      if (num_free_[block] < num_labels_) continue;
      for (uint32_t word = 0; word < kBlock / 64; ++word) {
        for (uint64_t bits = free_[block][word]; bits != 0; bits &= bits - 1) {
          const uint32_t place =
              block * kBlock + word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
          const uint32_t base = place ^ labels_[0];
          if (Fits(base)) return base;
        }
      }
    }
    AddBlock();
    return num_blocks * kBlock;
  }

  size_t num_open() const { return free_.size() - oldest_; }

  bool Fits(uint32_t base) const {
    for (size_t i = 1; i < num_labels_; ++i) {
      const uint32_t place = base ^ labels_[i];
      if ((free_[place / kBlock][place % kBlock / 64] >> place % 64 & 1) == 0) return false;
    }
    return true;
  }

  void AddBlock() {
    units_.resize(units_.size() + kBlock);
    free_.push_back({~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}});
    num_free_.push_back(kBlock);
  }

  void Occupy(uint32_t place) {
    free_[place / kBlock][place % kBlock / 64] &= ~(uint64_t{1} << place % 64);
    --num_free_[place / kBlock];
  }

  std::vector<DoubleArrayTrie::Entry> entries_;
  std::vector<DoubleArrayTrie::Entry> sorted_;  // Of one node at a time, in the same places.
  std::vector<DoubleArrayTrie::Unit>& units_;
  std::vector<std::array<uint64_t, kBlock / 64>> free_;  // A bit for each place of a block.
  std::vector<uint32_t> num_free_;                       // Set bits in each of them.
  std::array<unsigned char, kBlock> labels_;
  size_t num_labels_ = 0;
  uint32_t oldest_ = 0;  // The first block in which places are looked for.
};

DoubleArrayTrie::DoubleArrayTrie(std::vector<Entry> entries) {
  DoubleArrayBuilder(std::move(entries), units_).Build();
}

}  // namespace akin::tokenizer

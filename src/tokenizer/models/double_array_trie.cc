#include "tokenizer/models/double_array_trie.h"

#include <algorithm>
#include <array>
#include <bit>

namespace akin::tokenizer {
namespace {

constexpr uint32_t kBlock = 256;
// Blocks in which a place is looked for; older ones are nearly full and are left alone, so that
// building takes time in proportion to the keys.
constexpr uint32_t kOpenBlocks = 24;

// The first eight bytes, in an order that compares as the text does.
uint64_t FirstBytes(std::string_view text) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < 8; ++i) {
    bytes = bytes << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0u);
  }
  return bytes;
}

}  // namespace

// Places the children of one node after the other, depth first: what waits is never more than the
// keys, and the nodes of one key lie together.
class DoubleArrayBuilder {
 public:
  DoubleArrayBuilder(std::span<const DoubleArrayTrie::Entry> entries,
                     std::vector<DoubleArrayTrie::Unit>& units)
      : entries_(entries), units_(units) {}

  void Build() {
    AddBlock();
    Occupy(DoubleArrayTrie::kRoot);
    std::vector<Subtree> pending = {
        {DoubleArrayTrie::kRoot, 0, 0, static_cast<uint32_t>(entries_.size())}};
    while (!pending.empty()) {
      const Subtree next = pending.back();
      pending.pop_back();
      Expand(next, pending);
    }
    units_.shrink_to_fit();
  }

 private:
  // The keys entries_[first, last) share their first `depth` bytes, which lead to `node`.
  struct Subtree {
    uint32_t node;
    uint32_t depth, first, last;
  };

  void Expand(Subtree subtree, std::vector<Subtree>& pending) {
    auto [node, depth, first, last] = subtree;
    if (first < last && entries_[first].first.size() == depth) {
      units_[node].value = entries_[first].second;
      ++first;
    }
    if (first == last) return;
    num_labels_ = 0;
    const size_t first_child = pending.size();
    for (uint32_t i = first; i < last; ++i) {
      const auto label = static_cast<unsigned char>(entries_[i].first[depth]);
      if (num_labels_ == 0 || labels_[num_labels_ - 1] != label) {
        labels_[num_labels_++] = label;
        pending.push_back({label, depth + 1, i, i});
      }
      pending.back().last = i + 1;
    }
    const uint32_t base = FindBase();
    units_[node].base = base;
    for (size_t i = first_child; i < pending.size(); ++i) {
      pending[i].node ^= base;  // It was the label.
      Occupy(pending[i].node);
      units_[pending[i].node].parent = node;
    }
  }

  // A base at which the places of all labels_ are free.
  uint32_t FindBase() {
    const auto num_blocks = static_cast<uint32_t>(free_.size());
    const uint32_t oldest = num_blocks > kOpenBlocks ? num_blocks - kOpenBlocks : 0;
    for (uint32_t block = oldest; block < num_blocks; ++block) {
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

  std::span<const DoubleArrayTrie::Entry> entries_;
  std::vector<DoubleArrayTrie::Unit>& units_;
  std::vector<std::array<uint64_t, kBlock / 64>> free_;  // A bit for each place of a block.
  std::vector<uint32_t> num_free_;                       // Set bits in each of them.
  std::array<unsigned char, kBlock> labels_;
  size_t num_labels_ = 0;
};

DoubleArrayTrie::DoubleArrayTrie(std::span<const Entry> entries) {
  DoubleArrayBuilder(entries, units_).Build();
}

DoubleArrayTrie DoubleArrayTrie::FromUnsorted(std::vector<Entry> entries) {
  // The first eight bytes as a number decide nearly always, without a look at the text.
  struct Key {
    uint64_t begin;
    uint32_t index;
  };
  std::vector<Key> keys(entries.size());
  for (uint32_t i = 0; i < keys.size(); ++i) keys[i] = {FirstBytes(entries[i].first), i};
  std::ranges::sort(keys, [&](const Key& a, const Key& b) {
    if (a.begin != b.begin) return a.begin < b.begin;
    const int order = entries[a.index].first.compare(entries[b.index].first);
    return order != 0 ? order < 0 : a.index < b.index;
  });
  std::vector<Entry> sorted;
  sorted.reserve(entries.size());
  for (const Key& key : keys) {
    const Entry& entry = entries[key.index];
    if (!sorted.empty() && sorted.back().first == entry.first) sorted.pop_back();
    sorted.push_back(entry);
  }
  return DoubleArrayTrie(sorted);
}

}  // namespace akin::tokenizer

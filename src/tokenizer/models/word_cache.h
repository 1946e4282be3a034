// Pieces that were tokenized before, and their ids.
//
// Words repeat: nearly all pieces of a text were seen already, and finding one here costs a hash
// and a comparison. Keys and ids lie end to end in one arena. The table grows with the words, up to
// a bound; when that is reached, or the arena is full, everything is forgotten. One cache belongs
// to one thread (a Scratch) and serves several models, whose entries carry the model's number.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace akin::tokenizer {

class WordCache {
 public:
  static constexpr size_t kMaxKeyBytes = 256;

  WordCache();

  // Where an answer is, or is to be put.
  struct Slot {
    uint64_t hash;
    uint32_t index;
  };

  // The ids of `key` under `model`; nothing, with data() null, when it is not known. `slot` is for
  // Insert.
  std::span<const int32_t> Find(uint32_t model, std::string_view key, Slot& slot) {
    return Find(model, key, Hash(model, key), slot);
  }
  // In two steps, so that several keys can wait for memory together.
  uint64_t Hash(uint32_t model, std::string_view key) const;
  void Prefetch(uint64_t hash) const {
    if (!entries_.empty()) __builtin_prefetch(&entries_[hash >> 32 & mask_]);
  }
  std::span<const int32_t> Find(uint32_t model, std::string_view key, uint64_t hash, Slot& slot);

  // Remembers what Find did not find; long keys are not kept.
  void Insert(uint32_t model, std::string_view key, Slot slot, std::span<const int32_t> ids);

  // A number for a model: no other model of this process has it.
  static uint32_t NewModelNumber();

 private:
  struct Entry {
    uint32_t tag = 0;    // The upper half of the hash.
    uint32_t model = 0;  // 0: free.
    uint32_t begin;      // In arena_: the ids, then the key's bytes.
    uint16_t num_ids, key_bytes;
  };
  // Texts in many languages have some 100,000 words that come again: at an eighth of these bounds,
  // a third of the words of such a text were new ones.
  static constexpr size_t kMinEntries = size_t{1} << 12, kMaxEntries = size_t{1} << 18;
  static constexpr size_t kArenaWords = size_t{1} << 20;

  // Room for one more, whose key and ids have so many words: a larger table, or an empty one.
  void MakeRoom(size_t words);
  uint32_t FreeIndex(uint32_t tag) const;

  uint64_t seed_;
  std::vector<Entry> entries_;  // Empty before the first Insert; at most half full.
  uint32_t mask_ = 0;           // Their number less one.
  std::vector<int32_t> arena_;
  uint32_t num_used_ = 0;
};

}  // namespace akin::tokenizer

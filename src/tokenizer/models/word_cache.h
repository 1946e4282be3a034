// Pieces that were tokenized before, and their ids.
//
// Words repeat: nearly all pieces of a text were seen already, and finding one here costs a hash
// and a comparison. Keys and ids lie end to end in one arena; when that or the table is full,
// everything is forgotten. One cache belongs to one thread (a Scratch) and serves several models,
// whose entries carry the model's number.
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
  std::span<const int32_t> Find(uint32_t model, std::string_view key, Slot& slot);
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
  static constexpr uint32_t kNumEntries = 1 << 16, kMaxUsed = kNumEntries / 2;
  static constexpr size_t kArenaWords = size_t{1} << 19;

  uint64_t seed_;
  std::vector<Entry> entries_;  // Empty before the first Insert.
  std::vector<int32_t> arena_;
  uint32_t num_used_ = 0;
};

}  // namespace akin::tokenizer

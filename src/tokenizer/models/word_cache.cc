#include "tokenizer/models/word_cache.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "tokenizer/models/hash.h"

namespace akin::tokenizer {

uint32_t WordCache::NewModelNumber() {
  static std::atomic<uint32_t> last{0};
  return ++last;
}

WordCache::WordCache() : seed_(HashSeed()) {}

std::span<const int32_t> WordCache::Find(uint32_t model, std::string_view key, Slot& slot) {
  if (key.size() > kMaxKeyBytes) return {};
  slot.hash = HashBytes(key, seed_ + model);
  slot.index = static_cast<uint32_t>(slot.hash) % kNumEntries;
  if (entries_.empty()) return {};
  const auto tag = static_cast<uint32_t>(slot.hash >> 32);
  for (;; slot.index = (slot.index + 1) % kNumEntries) {
    const Entry& entry = entries_[slot.index];
    if (entry.model == 0) return {};
    if (entry.tag != tag || entry.model != model || entry.key_bytes != key.size()) continue;
    const int32_t* ids = arena_.data() + entry.begin;
    if (std::memcmp(ids + entry.num_ids, key.data(), key.size()) == 0) return {ids, entry.num_ids};
  }
}

void WordCache::Insert(uint32_t model, std::string_view key, Slot slot,
                       std::span<const int32_t> ids) {
  if (key.size() > kMaxKeyBytes || ids.size() > kMaxKeyBytes) return;
  const size_t words = ids.size() + (key.size() + 3) / 4;
  if (entries_.empty()) arena_.reserve(kArenaWords);
  if (entries_.empty() || num_used_ == kMaxUsed || arena_.size() + words > kArenaWords) {
    entries_.assign(kNumEntries, Entry());
    arena_.clear();
    num_used_ = 0;
    slot.index = static_cast<uint32_t>(slot.hash) % kNumEntries;
  }
  const size_t begin = arena_.size();
  entries_[slot.index] = {.tag = static_cast<uint32_t>(slot.hash >> 32),
                          .model = model,
                          .begin = static_cast<uint32_t>(begin),
                          .num_ids = static_cast<uint16_t>(ids.size()),
                          .key_bytes = static_cast<uint16_t>(key.size())};
  ++num_used_;
  arena_.resize(begin + words);
  std::ranges::copy(ids, arena_.begin() + static_cast<std::ptrdiff_t>(begin));
  std::memcpy(arena_.data() + begin + ids.size(), key.data(), key.size());
}

}  // namespace akin::tokenizer

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

uint64_t WordCache::Hash(uint32_t model, std::string_view key) const {
  return key.size() > kMaxKeyBytes ? 0 : HashBytes(key, seed_ + model);
}

std::span<const int32_t> WordCache::Find(uint32_t model, std::string_view key, uint64_t hash,
                                         Slot& slot) {
  if (key.size() > kMaxKeyBytes) return {};
  slot.hash = hash;
  if (entries_.empty()) return {};
  const auto tag = static_cast<uint32_t>(slot.hash >> 32);
  for (slot.index = tag & mask_;; slot.index = (slot.index + 1) & mask_) {
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
  const auto tag = static_cast<uint32_t>(slot.hash >> 32);
  if (num_used_ * 2 >= entries_.size() || arena_.size() + words > kArenaWords) {
    MakeRoom(words);
    slot.index = FreeIndex(tag);
  }
  const size_t begin = arena_.size();
  entries_[slot.index] = {.tag = tag,
                          .model = model,
                          .begin = static_cast<uint32_t>(begin),
                          .num_ids = static_cast<uint16_t>(ids.size()),
                          .key_bytes = static_cast<uint16_t>(key.size())};
  ++num_used_;
  arena_.resize(begin + words);
  std::ranges::copy(ids, arena_.begin() + static_cast<std::ptrdiff_t>(begin));
  std::memcpy(arena_.data() + begin + ids.size(), key.data(), key.size());
}

void WordCache::MakeRoom(size_t words) {
  if (entries_.size() == kMaxEntries || arena_.size() + words > kArenaWords) {
    std::ranges::fill(entries_, Entry());
    arena_.clear();
    num_used_ = 0;
    return;
  }
  if (entries_.empty()) arena_.reserve(kArenaWords);
  std::vector<Entry> old(std::max<size_t>(kMinEntries, 4 * entries_.size()));
  old.swap(entries_);
  mask_ = static_cast<uint32_t>(entries_.size()) - 1;
  for (const Entry& entry : old) {
    if (entry.model != 0) entries_[FreeIndex(entry.tag)] = entry;
  }
}

uint32_t WordCache::FreeIndex(uint32_t tag) const {
  uint32_t index = tag & mask_;
  while (entries_[index].model != 0) index = (index + 1) & mask_;
  return index;
}

}  // namespace akin::tokenizer

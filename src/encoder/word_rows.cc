#include "encoder/word_rows.h"

#include <algorithm>

namespace akin::encoder {

WordRows::WordRows(const model::Tensor& table, size_t most_bytes)
    : table_(table),
      size_(static_cast<size_t>(table.shape[1])),
      most_rows_(
          std::min(static_cast<size_t>(table.shape[0]), most_bytes / (size_ * sizeof(float)))),
      rows_(std::make_unique_for_overwrite<float[]>(most_rows_ * size_)),
      places_(static_cast<size_t>(table.shape[0])) {
  for (auto& place : places_) place.store(kNowhere, std::memory_order_relaxed);
}

const float* WordRows::Row(int32_t id, std::span<float> room) const {
  std::atomic<uint32_t>& place = places_[static_cast<size_t>(id)];
  uint32_t at = place.load(std::memory_order_acquire);
  if (at < kComing) return &rows_[at * size_];
  model::ReadF32(table_, int64_t{id} * static_cast<int64_t>(size_), room);
  if (num_rows_.load(std::memory_order_relaxed) >= most_rows_) return room.data();
  at = kNowhere;
  if (!place.compare_exchange_strong(at, kComing, std::memory_order_relaxed)) return room.data();
  at = num_rows_.fetch_add(1, std::memory_order_relaxed);
  if (at >= most_rows_) {
    place.store(kNowhere, std::memory_order_relaxed);
    return room.data();
  }
  std::ranges::copy(room, &rows_[at * size_]);
  place.store(at, std::memory_order_release);
  return room.data();
}

}  // namespace akin::encoder

#include "encoder/word_rows.h"

#include <algorithm>

namespace akin::encoder {
namespace {

size_t RowSize(const model::Tensor& table) { return static_cast<size_t>(table.shape[1]); }

size_t MostRows(const model::Tensor& table, size_t most_bytes) {
  return std::min(static_cast<size_t>(table.shape[0]),
                  most_bytes / (RowSize(table) * sizeof(float)));
}

}  // namespace

size_t WordRows::Bytes(const model::Tensor& table, size_t most_bytes) {
  return MostRows(table, most_bytes) * RowSize(table) * sizeof(float) +
         static_cast<size_t>(table.shape[0]) * sizeof(decltype(places_)::value_type);
}

WordRows::WordRows(const model::Tensor& table, size_t most_bytes)
    : table_(table),
      size_(RowSize(table)),
      most_rows_(MostRows(table, most_bytes)),
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

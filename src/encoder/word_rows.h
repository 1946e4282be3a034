// The rows of the table of word embeddings.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/tensor.h"

namespace akin::encoder {

// The table stays in its file, for a text touches a few rows of what is half of a small model. But
// a few thousand words are most of any text, and to read a row out of a file is a call of the
// system, some 0.4 us: so the rows that are asked for first stay in memory, up to kMostBytes,
// beside 4 bytes for each word of the vocabulary that say where its row is: 119 KiB of BERT's
// 30,522 words, 1 MiB of the 250,002 of XLM-R.
//
// Of any thread, without a lock: a row is read by whoever claims it, and is there for others once
// it is whole; until then they read it themselves.
class WordRows {
 public:
  static constexpr size_t kMostBytes = size_t{8} << 20;

  // [vocab_size, size]. `most_bytes`: in place of kMostBytes, for tests.
  explicit WordRows(const model::Tensor& table, size_t most_bytes = kMostBytes);

  // What the constructor allocates for such a table.
  static size_t Bytes(const model::Tensor& table, size_t most_bytes = kMostBytes);

  // Row `id`, either one that stays as it is, or `room` [size], filled.
  const float* Row(int32_t id, std::span<float> room) const;

 private:
  // Of a row: where it is kept, or one of these.
  static constexpr uint32_t kNowhere = UINT32_MAX, kComing = UINT32_MAX - 1;

  const model::Tensor table_;
  const size_t size_, most_rows_;
  // [most_rows_, size]; pages that no row has reached cost nothing.
  const std::unique_ptr<float[]> rows_;
  mutable std::vector<std::atomic<uint32_t>> places_;  // [vocab_size]
  mutable std::atomic<uint32_t> num_rows_{0};
};

}  // namespace akin::encoder

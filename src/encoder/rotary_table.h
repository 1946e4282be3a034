#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

#include "akin/matrix_view.h"

#include "base/aligned_buffer.h"
#include "model/rotary.h"

namespace akin::encoder {

// Cosines and sines of rotary positions: row p holds those of position p. Rows are computed in
// blocks when a sequence first reaches them: a model for 32768 tokens shall not spend its start on
// rows that no text needs.
class RotaryTable {
 public:
  RotaryTable(const model::Rotary& rotary, size_t max_positions);

  // What the tables of `max_positions` take, or those of the rows that sequences of so many reach.
  static size_t Bytes(const model::Rotary& rotary, size_t max_positions);

  // Computes what is missing below `length`. Any number of threads.
  void Reach(size_t length) const;

  // Positions [first, first + count) of a sequence of `length` tokens, which has been reached:
  // [count, rotary_dim].
  MatrixView<const float> Rows(size_t length, size_t first, size_t count) const;

  size_t rotary_dim() const { return static_cast<size_t>(rotary_.rotary_dim); }
  size_t bytes() const { return short_.size_bytes() + long_.size_bytes(); }

 private:
  static constexpr size_t kBlock = 256;  // Rows.
  void FillBlock(const std::vector<float>& frequencies, size_t block, std::span<float> table) const;

  model::Rotary rotary_;
  size_t max_positions_;
  AlignedBuffer short_;                       // [max_positions, rotary_dim]
  AlignedBuffer long_;                        // The same for long sequences, where they differ.
  std::unique_ptr<std::once_flag[]> filled_;  // Of each block.
};

}  // namespace akin::encoder

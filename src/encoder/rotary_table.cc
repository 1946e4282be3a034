#include "encoder/rotary_table.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace akin::encoder {

namespace {

size_t TableBytes(const model::Rotary& rotary, size_t max_positions) {
  return max_positions * static_cast<size_t>(rotary.rotary_dim) * sizeof(float);
}

}  // namespace

size_t RotaryTable::Bytes(const model::Rotary& rotary, size_t max_positions) {
  return TableBytes(rotary, max_positions) * (rotary.long_inverse_frequencies.empty() ? 1 : 2);
}

RotaryTable::RotaryTable(const model::Rotary& rotary, size_t max_positions)
    : rotary_(rotary),
      max_positions_(max_positions),
      short_(TableBytes(rotary, max_positions)),
      long_(rotary.long_inverse_frequencies.empty() ? 0 : short_.size_bytes()),
      filled_(new std::once_flag[(max_positions + kBlock - 1) / kBlock]) {}

void RotaryTable::Reach(size_t length) const {
  for (size_t block = 0; block * kBlock < length; ++block) {
    std::call_once(filled_[block], [&] {
      FillBlock(rotary_.inverse_frequencies, block, short_.As<float>());
      if (!rotary_.long_inverse_frequencies.empty())
        FillBlock(rotary_.long_inverse_frequencies, block, long_.As<float>());
    });
  }
}

void RotaryTable::FillBlock(const std::vector<float>& frequencies, size_t block,
                            std::span<float> table) const {
  const size_t dim = rotary_dim(), half = dim / 2;
  const size_t last = std::min((block + 1) * kBlock, max_positions_);
  for (size_t position = block * kBlock; position < last; ++position) {
    for (size_t d = 0; d < half; ++d) {
      // The angle is rounded to f32, as the reference has it.
      const double angle = static_cast<float>(position) * frequencies[d];
      table[position * dim + d] = static_cast<float>(std::cos(angle)) * rotary_.attention_factor;
      table[position * dim + half + d] =
          static_cast<float>(std::sin(angle)) * rotary_.attention_factor;
    }
  }
}

MatrixView<const float> RotaryTable::Rows(size_t length, size_t first, size_t count) const {
  const bool is_long =
      long_.size_bytes() > 0 && length > static_cast<size_t>(rotary_.short_positions);
  const float* table = (is_long ? long_ : short_).As<float>().data();
  return {table + first * rotary_dim(), count, rotary_dim()};
}

}  // namespace akin::encoder

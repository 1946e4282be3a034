// The rows of the table of positions that the tokens of a sequence take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace akin::model {

// Positions count up from 0; or, as RoBERTa has it, from padding_id + 1 and only over tokens that
// are no padding, which themselves have padding_id.
class PositionCounter {
 public:
  explicit PositionCounter(std::optional<int32_t> padding_id) : padding_id_(padding_id) {}

  size_t Next(int32_t id) {
    if (!padding_id_) return count_++;
    if (id == *padding_id_) return static_cast<size_t>(id);
    return static_cast<size_t>(*padding_id_) + ++count_;
  }

 private:
  std::optional<int32_t> padding_id_;
  size_t count_ = 0;
};

}  // namespace akin::model

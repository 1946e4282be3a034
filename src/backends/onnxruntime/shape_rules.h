// Which rectangles a graph is run in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"

#include "base/ragged_batch.h"

namespace akin::backends::onnxruntime {

struct Shape {
  int64_t batch = 0;
  int64_t length = 0;
  bool operator==(const Shape&) const = default;
};

struct ShapeRules {
  std::optional<int64_t> batch;  // Axes that the graph does not let vary.
  std::optional<int64_t> length;
  std::vector<int32_t> buckets;  // Rising lengths to pad to; empty: any length.
  bool one_sequence = false;     // A run has one sequence.
  bool rows_by_powers_of_two = false;
  std::string graph;  // For messages: the file's name.

  // Behind the last sequence of `batch` that runs together with `first`.
  size_t EndOfRun(const RaggedBatch& ragged, size_t first) const;
  // The least shape for the sequences [first, last). Error: InvalidInput, one is too long.
  Result<Shape> ShapeOf(const RaggedBatch& ragged, size_t first, size_t last) const;
  // One sequence of `tokens` tokens or more.
  Shape OfOne(int64_t tokens) const {
    return {batch.value_or(1), length.value_or(BucketOf(tokens))};
  }

 private:
  int64_t BucketOf(int64_t tokens) const;
};

}  // namespace akin::backends::onnxruntime

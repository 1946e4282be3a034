#include "backends/onnxruntime/shape_rules.h"

#include <algorithm>
#include <bit>

#include "base/strings.h"

namespace akin::backends::onnxruntime {

size_t ShapeRules::EndOfRun(const RaggedBatch& ragged, size_t first) const {
  if (one_sequence) return first + 1;
  const size_t most = batch ? static_cast<size_t>(*batch) : ragged.num_sequences();
  return std::min(ragged.num_sequences(), first + most);
}

int64_t ShapeRules::BucketOf(int64_t tokens) const {
  for (const int32_t bucket : buckets) {
    if (bucket >= tokens) return bucket;
  }
  return tokens;
}

Result<Shape> ShapeRules::ShapeOf(const RaggedBatch& ragged, size_t first, size_t last) const {
  int64_t tokens = 1;
  for (size_t s = first; s < last; ++s)
    tokens = std::max(tokens, static_cast<int64_t>(ragged.length(s)));
  if (length.value_or(tokens) < tokens)
    return InvalidInput("a sequence has ", tokens, " tokens, ", graph, " takes ", *length);
  size_t rows = last - first;
  if (rows_by_powers_of_two) rows = std::bit_ceil(rows);
  return Shape{batch.value_or(static_cast<int64_t>(rows)), length.value_or(BucketOf(tokens))};
}

}  // namespace akin::backends::onnxruntime

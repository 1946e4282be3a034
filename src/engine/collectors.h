// Rows of sequences -> the results of a call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "akin/embeddings.h"
#include "akin/options.h"
#include "akin/result.h"

#include "engine/computer.h"
#include "engine/text_reader.h"
#include "model/sentence_modules.h"

namespace akin::engine {

// One row for each segment, of outputs that have no row for each token: dense vectors, scores. Rows
// of sequences without a token are zeros. A value is finite or it is an error.
class RowCollector : public RowSink {
 public:
  RowCollector(const Network& network, Output output, const TokenizedTexts& sequences);
  Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) override;

  MatrixView<float> rows() { return {values_.data(), num_rows_, width_}; }
  std::vector<float> TakeValues() { return std::move(values_); }

 private:
  const Network& network_;
  const Output output_;
  const size_t width_;
  std::vector<size_t> first_row_;  // Of each sequence.
  size_t num_rows_ = 0;
  std::vector<float> values_;
};

// Weights of vocabulary entries, from rows that are as wide as the vocabulary, or from one weight
// for each token.
class SparseCollector : public RowSink {
 public:
  // `special` tells the ids whose weights do not count where each token has one.
  SparseCollector(const Network& network, size_t num_sequences, std::vector<bool> special,
                  std::optional<int> top_k);
  Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) override;
  std::vector<SparseVector> TakeVectors() { return std::move(vectors_); }

 private:
  // `rows` [ids.size(), 1]: the weight of each token.
  void TakeLargestOfEachId(std::span<const int32_t> ids, MatrixView<const float> rows,
                           SparseVector& vector) const;

  const Network& network_;
  const std::vector<bool> special_;
  const std::optional<int> top_k_;
  std::vector<SparseVector> vectors_;
};

// Vectors as the options want them: normalized, cut, normalized again.
struct VectorShape {
  bool normalize = false;
  std::optional<size_t> cut;  // To the first values.
  bool normalize_after_cut = false;

  size_t Kept(size_t dimension) const { return std::min(cut.value_or(dimension), dimension); }
};

// A row for each token that counts.
class TokenCollector : public RowSink {
 public:
  // Tokens with an id in `left_out`, and the first one if `skip_first`, do not.
  TokenCollector(const Network& network, Output output, size_t num_sequences,
                 std::vector<int32_t> left_out, bool skip_first, VectorShape shape);
  Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) override;
  TokenEmbeddings Finish(TextReport report);

 private:
  const Network& network_;
  const Output output_;
  const std::vector<int32_t> left_out_;  // Sorted.
  const bool skip_first_;
  const VectorShape shape_;
  std::vector<std::vector<float>> values_;
  std::vector<std::vector<int32_t>> tokens_;
};

// Gives each sequence to several.
class CollectorGroup : public RowSink {
 public:
  void Add(RowSink* sink) { sinks_.push_back(sink); }
  Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) override;

 private:
  std::vector<RowSink*> sinks_;
};

// Windows of a text -> their mean, weighted; `rows` holds one of each sequence. With `normalize`,
// the rows have length 1 before, in place, and the means after. A text of one window keeps its
// vector, bit for bit.
std::vector<float> AverageWindows(const ReadTexts& read, MatrixView<float> rows, bool normalize);

// `values` [rows, dimension] becomes [rows, result].
size_t ShapeVectors(const VectorShape& shape, size_t dimension, std::vector<float>& values);

}  // namespace akin::engine

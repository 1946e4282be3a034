#include "engine/collectors.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/floating_point.h"
#include "base/strings.h"
#include "pooling/pooling.h"

namespace akin::engine {
namespace {

Status CheckFinite(const Network& network, std::span<const float> row) {
  if (std::ranges::all_of(row, [](float x) { return std::isfinite(x); })) return {};
  return Internal("model '", network.model(), "' gave values that are not finite (NaN or infinity)",
                  "; its weights may be damaged");
}

// The largest `count` values, at their places.
void KeepLargest(size_t count, SparseVector& vector) {
  if (vector.values.size() <= count) return;
  std::vector<size_t> order(vector.values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return vector.values[i]; });
  order.resize(count);
  std::ranges::sort(order);
  SparseVector kept;
  for (const size_t i : order) {
    kept.indices.push_back(vector.indices[i]);
    kept.values.push_back(vector.values[i]);
  }
  vector = std::move(kept);
}

}  // namespace

RowCollector::RowCollector(const Network& network, Output output, const TokenizedTexts& sequences)
    : network_(network), output_(output), width_(network.chain(output)->output().width) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    first_row_.push_back(num_rows_);
    num_rows_ += std::max<size_t>(1, sequences.segments(i).size());
  }
  values_.resize(num_rows_ * width_);
}

Status RowCollector::Take(uint32_t sequence, const BatchSlot& slot, size_t place) {
  const MatrixView<const float> from = RowsOf(slot, network_, output_, place);
  for (size_t r = 0; r < from.rows(); ++r) {
    AKIN_TRY(CheckFinite(network_, from.row(r)));
    std::ranges::copy(from.row(r), rows().row(first_row_[sequence] + r).begin());
  }
  return {};
}

SparseCollector::SparseCollector(const Network& network, size_t num_sequences,
                                 std::vector<bool> special, std::optional<int> top_k)
    : network_(network), special_(std::move(special)), top_k_(top_k), vectors_(num_sequences) {}

Status SparseCollector::Take(uint32_t sequence, const BatchSlot& slot, size_t place) {
  const bool per_token = network_.chain(Output::kSparse)->output().per_token;
  const MatrixView<const float> rows = RowsOf(slot, network_, Output::kSparse, place);
  for (size_t r = 0; r < rows.rows(); ++r) AKIN_TRY(CheckFinite(network_, rows.row(r)));
  SparseVector& vector = vectors_[sequence] = {};
  if (per_token) {
    const size_t begin = static_cast<size_t>(slot.cu_seqlens[place]);
    TakeLargestOfEachId(std::span(slot.input_ids).subspan(begin, rows.rows()), rows, vector);
  } else {
    for (size_t j = 0; j < rows.cols(); ++j) {
      if (rows(0, j) == 0.0f) continue;
      vector.indices.push_back(static_cast<int32_t>(j));
      vector.values.push_back(rows(0, j));
    }
  }
  if (top_k_) KeepLargest(static_cast<size_t>(*top_k_), vector);
  return {};
}

void SparseCollector::TakeLargestOfEachId(std::span<const int32_t> ids,
                                          MatrixView<const float> rows,
                                          SparseVector& vector) const {
  std::vector<std::pair<int32_t, float>> weights;
  for (size_t t = 0; t < rows.rows(); ++t) {
    const size_t id = static_cast<size_t>(ids[t]);
    const bool special = id < special_.size() && special_[id];
    if (!special && rows(t, 0) != 0.0f) weights.emplace_back(ids[t], -rows(t, 0));
  }
  std::ranges::sort(weights);
  for (const auto& [id, weight] : weights) {
    if (!vector.indices.empty() && vector.indices.back() == id) continue;
    vector.indices.push_back(id);
    vector.values.push_back(-weight);
  }
}

TokenCollector::TokenCollector(const Network& network, Output output, size_t num_sequences,
                               std::vector<int32_t> left_out, bool skip_first, VectorShape shape)
    : network_(network),
      output_(output),
      left_out_(std::move(left_out)),
      skip_first_(skip_first),
      shape_(shape),
      values_(num_sequences),
      tokens_(num_sequences) {}

Status TokenCollector::Take(uint32_t sequence, const BatchSlot& slot, size_t place) {
  const MatrixView<const float> rows = RowsOf(slot, network_, output_, place);
  const size_t begin = static_cast<size_t>(slot.cu_seqlens[place]);
  const size_t kept = shape_.Kept(rows.cols());
  std::vector<float>& values = values_[sequence];
  values.clear();
  tokens_[sequence].clear();
  for (size_t t = skip_first_ ? 1 : 0; t < rows.rows(); ++t) {
    const int32_t id = slot.input_ids[begin + t];
    if (std::ranges::binary_search(left_out_, id)) continue;
    AKIN_TRY(CheckFinite(network_, rows.row(t)));
    tokens_[sequence].push_back(id);
    values.insert(values.end(), rows.row(t).begin(), rows.row(t).end());
    if (shape_.normalize) pooling::Normalize(std::span(values).last(rows.cols()));
    values.resize(values.size() - (rows.cols() - kept));
    if (shape_.normalize_after_cut) pooling::Normalize(std::span(values).last(kept));
  }
  return {};
}

TokenEmbeddings TokenCollector::Finish(TextReport report) {
  return TokenEmbeddings(std::move(values_), std::move(tokens_),
                         shape_.Kept(network_.chain(output_)->output().width), std::move(report));
}

Status CollectorGroup::Take(uint32_t sequence, const BatchSlot& slot, size_t place) {
  for (RowSink* sink : sinks_) AKIN_TRY(sink->Take(sequence, slot, place));
  return {};
}

std::vector<float> AverageWindows(const ReadTexts& read, MatrixView<float> rows, bool normalize) {
  const ScopedFlushDenormals as_the_workers;
  std::vector<float> values(read.num_texts * rows.cols());
  const MatrixView<float> means(values.data(), read.num_texts, rows.cols());
  std::vector<float> sums(read.num_texts);
  std::vector<int> windows(read.num_texts);
  for (size_t i = 0; i < rows.rows(); ++i) {
    if (normalize) pooling::Normalize(rows.row(i));
    sums[read.text_of[i]] += read.weights[i];
    ++windows[read.text_of[i]];
  }
  for (size_t i = 0; i < rows.rows(); ++i) {
    const size_t text = read.text_of[i];
    const float weight = windows[text] == 1 ? 1.0f : read.weights[i] / sums[text];
    for (size_t j = 0; j < rows.cols(); ++j) means(text, j) += weight * rows(i, j);
  }
  for (size_t text = 0; text < read.num_texts; ++text) {
    if (normalize && windows[text] > 1) pooling::Normalize(means.row(text));
  }
  return values;
}

size_t ShapeVectors(const VectorShape& shape, size_t dimension, std::vector<float>& values) {
  const size_t kept = shape.Kept(dimension);
  if (values.empty()) return kept;
  const ScopedFlushDenormals as_the_workers;  // The caller may round in another way.
  const size_t rows = values.size() / dimension;
  for (size_t i = 0; i < rows; ++i) {
    const std::span<float> row(&values[i * dimension], dimension), cut(&values[i * kept], kept);
    if (shape.normalize) pooling::Normalize(row);
    // Rows move to the front: never past what is still to be read.
    for (size_t j = 0; j < kept; ++j) cut[j] = row[j];
    if (shape.normalize_after_cut) pooling::Normalize(cut);
  }
  values.resize(rows * kept);
  return kept;
}

}  // namespace akin::engine

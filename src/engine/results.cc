// The members of the public result types.
#include <algorithm>
#include <numeric>
#include <utility>

#include "akin/embeddings.h"
#include "akin/model_info.h"

namespace akin {

Embeddings::Embeddings(std::vector<float> values, size_t dimension, TextReport report,
                       std::vector<Chunk> chunks)
    : TextReport(std::move(report)),
      values_(std::move(values)),
      dimension_(dimension),
      chunks_(std::move(chunks)),
      size_(chunks_.empty() ? num_texts() : chunks_.size()) {}

std::vector<size_t> Scores::Order() const {
  std::vector<size_t> order(size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [this](size_t i) { return (*this)[i][0]; });
  return order;
}

float MaxSim(MatrixView<const float> query, MatrixView<const float> document) {
  float sum = 0.0f;
  if (document.rows() == 0) return sum;
  for (size_t i = 0; i < query.rows(); ++i) {
    float best = 0.0f;
    for (size_t j = 0; j < document.rows(); ++j) {
      const std::span<const float> a = query.row(i), b = document.row(j);
      const float dot = std::inner_product(a.begin(), a.end(), b.begin(), 0.0f);
      best = j == 0 ? dot : std::max(best, dot);
    }
    sum += best;
  }
  return sum;
}

float SparseDot(const SparseVector& a, const SparseVector& b) {
  float sum = 0.0f;
  for (size_t i = 0, j = 0; i < a.indices.size() && j < b.indices.size();) {
    if (a.indices[i] == b.indices[j])
      sum += a.values[i++] * b.values[j++];
    else if (a.indices[i] < b.indices[j])
      ++i;
    else
      ++j;
  }
  return sum;
}

bool ModelInfo::Gives(Output output) const {
  return std::ranges::find(outputs, output) != outputs.end();
}

}  // namespace akin

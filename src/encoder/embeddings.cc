#include "encoder/embeddings.h"

#include <algorithm>

namespace akin::encoder {
namespace {

std::vector<float> ReadTable(const model::Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.num_elements()));
  model::ReadF32(tensor, 0, values);
  model::DropPages(tensor);
  return values;
}

}  // namespace

Embeddings::Embeddings(const model::ModelWeights& weights, float layer_norm_eps,
                       const kernels::Kernels& kernels)
    : word_(weights.word_embeddings),
      position_(ReadTable(weights.position_embeddings)),
      token_type_(ReadTable(weights.token_type_embeddings)),
      norm_(weights.embedding_norm, layer_norm_eps, kernels) {}

void Embeddings::Forward(const RaggedBatch& batch, const TeamMember& member,
                         MatrixView<float> hidden) const {
  const size_t hidden_size = hidden.cols();
  const auto rows = member.Share(batch.num_tokens());
  // The sequence that holds the first row of this member's share.
  const auto next = std::upper_bound(batch.cu_seqlens.begin(), batch.cu_seqlens.end(),
                                     static_cast<int32_t>(rows.begin));
  size_t sequence = static_cast<size_t>(next - batch.cu_seqlens.begin()) - 1;
  for (size_t token = rows.begin; token < rows.end; ++token) {
    while (token >= static_cast<size_t>(batch.cu_seqlens[sequence + 1])) ++sequence;
    const size_t position = token - batch.begin(sequence);
    const size_t type =
        batch.token_type_ids.empty() ? 0 : static_cast<size_t>(batch.token_type_ids[token]);
    const std::span<float> row = hidden.row(token);
    model::ReadF32(word_, int64_t{batch.input_ids[token]} * static_cast<int64_t>(hidden_size), row);
    const float* type_row = &token_type_[type * hidden_size];
    const float* position_row = &position_[position * hidden_size];
    for (size_t j = 0; j < hidden_size; ++j) row[j] = row[j] + type_row[j] + position_row[j];
  }
  norm_.Forward(hidden.Rows(rows.begin, rows.end - rows.begin));
}

}  // namespace akin::encoder

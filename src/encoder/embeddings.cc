#include "encoder/embeddings.h"

#include <algorithm>

#include "model/position_counter.h"

namespace akin::encoder {
namespace {

std::vector<float> ReadTable(const model::Tensor& tensor) {
  return tensor.empty() ? std::vector<float>() : model::ReadAll(tensor);
}

}  // namespace

Embeddings::Embeddings(const model::ModelWeights& weights, const model::ModelConfig& config,
                       const kernels::Kernels& kernels)
    : word_(weights.word_embeddings),
      position_(ReadTable(weights.position_embeddings)),
      token_type_(ReadTable(weights.token_type_embeddings)),
      scale_(config.embedding_scale) {
  if (!weights.task_type_embeddings.empty())
    task_type_ = model::ReadAll(weights.task_type_embeddings.Rows(0, 1));
  if (config.positions_after_padding) padding_id_ = config.pad_token_id;
  if (!config.projection_before_norm) norm_ = Norm::Make(weights.embedding_norm, config, kernels);
}

void Embeddings::Sum(int32_t id, size_t type, size_t position, std::span<float> row) const {
  const size_t size = row.size();
  const float* sum = word_.Row(id, row);
  if (scale_ != 1.0f) {
    for (size_t j = 0; j < size; ++j) row[j] = sum[j] * scale_;
    sum = row.data();
  }
  const auto add = [&](const std::vector<float>& table, size_t i) {
    if (table.empty()) return;
    const float* const other = &table[i * size];
    for (size_t j = 0; j < size; ++j) row[j] = sum[j] + other[j];
    sum = row.data();
  };
  add(token_type_, type);
  add(position_, position);
  add(task_type_, 0);
  if (sum != row.data()) std::copy_n(sum, size, row.data());
}

void Embeddings::Forward(const RaggedBatch& batch, const TeamMember& member,
                         MatrixView<float> rows) const {
  const auto share = member.Share(batch.num_tokens());
  // The sequence that holds the first row of this member's share.
  const auto next = std::upper_bound(batch.cu_seqlens.begin(), batch.cu_seqlens.end(),
                                     static_cast<int32_t>(share.begin));
  size_t sequence = static_cast<size_t>(next - batch.cu_seqlens.begin()) - 1;
  model::PositionCounter positions(padding_id_);
  for (size_t t = batch.begin(sequence); t < share.begin; ++t) positions.Next(batch.input_ids[t]);
  for (size_t token = share.begin; token < share.end; ++token) {
    while (token >= static_cast<size_t>(batch.cu_seqlens[sequence + 1])) {
      ++sequence;
      positions = model::PositionCounter(padding_id_);
    }
    const int32_t id = batch.input_ids[token];
    const size_t position = positions.Next(id);
    const size_t type =
        batch.token_type_ids.empty() ? 0 : static_cast<size_t>(batch.token_type_ids[token]);
    Sum(id, type, position, rows.row(token));
  }
  if (norm_) norm_->Forward(rows.Rows(share.begin, share.end - share.begin));
}

}  // namespace akin::encoder

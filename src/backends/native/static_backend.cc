#include "backends/native/static_backend.h"

#include <algorithm>
#include <climits>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "model/tensor_index.h"

namespace akin::backends {
namespace {

// There is no table of positions; this keeps all arithmetic on lengths far from its ends.
constexpr int kMaxPositions = INT_MAX / 4;

class StaticSession : public Session {
 public:
  std::vector<float> rows;  // [num_sequences, dimension], or [num_tokens, 1].
};

// What backends of tables have in common.
BackendInfo TableInfo(RowKind rows, int64_t width, int64_t num_parameters, size_t held_bytes) {
  return {.name = "native",
          .precision = "f32",
          .isa = "scalar",
          .rows = rows,
          .width = static_cast<int>(width),
          .max_positions = kMaxPositions,
          .num_parameters = num_parameters,
          .weight_bytes = held_bytes,
          .batch_invariant = true,
          .waits_for_nobody = true,
          .flops_per_token = 2.0 * static_cast<double>(width)};
}

class WeightBackend : public Backend {
 public:
  explicit WeightBackend(std::vector<float> weights) : weights_(std::move(weights)) {}

  BackendInfo Info() const override {
    return TableInfo(RowKind::kTokenStates, 1, static_cast<int64_t>(weights_.size()),
                     weights_.size() * sizeof(float));
  }

  std::unique_ptr<Session> NewSession(size_t, size_t) const override {
    return std::make_unique<StaticSession>();
  }

  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    if (member.rank != 0) return MatrixView<const float>();
    std::vector<float>& rows = static_cast<StaticSession&>(session).rows;
    try {
      rows.resize(batch.num_tokens());
    } catch (const std::bad_alloc&) {
      return OutOfMemory();
    }
    for (size_t t = 0; t < rows.size(); ++t)
      rows[t] = weights_[static_cast<size_t>(batch.input_ids[t])];
    return MatrixView<const float>(rows.data(), rows.size(), 1);
  }

 private:
  std::vector<float> weights_;
};

struct TokenTable {
  model::Tensor rows;            // [count, dimension]; stays in the mapped file.
  std::vector<int64_t> mapping;  // Of ids to rows, or empty.
  std::vector<float> weights;    // Of ids, or empty.
  model::TensorIndex tensors;
};

class TableBackend : public Backend {
 public:
  explicit TableBackend(TokenTable table) : table_(std::move(table)) {}

  BackendInfo Info() const override {
    return TableInfo(
        RowKind::kPooled, table_.rows.shape[1], table_.rows.num_elements(),
        table_.mapping.size() * sizeof(int64_t) + table_.weights.size() * sizeof(float));
  }

  std::unique_ptr<Session> NewSession(size_t, size_t) const override {
    return std::make_unique<StaticSession>();
  }

  // So little work that the member of rank 0 does it alone.
  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    if (member.rank != 0) return MatrixView<const float>();
    std::vector<float>& rows = static_cast<StaticSession&>(session).rows;
    try {
      rows.assign(batch.num_sequences() * dimension() + dimension(), 0.0f);
    } catch (const std::bad_alloc&) {
      return OutOfMemory();
    }
    const MatrixView<float> vectors(rows.data(), batch.num_sequences(), dimension());
    const std::span<float> row = std::span(rows).last(dimension());
    for (size_t s = 0; s < vectors.rows(); ++s) {
      const size_t begin = batch.begin(s), length = batch.length(s);
      for (size_t t = begin; t < begin + length; ++t)
        AddToken(batch.input_ids[t], row, vectors.row(s));
      for (float& x : vectors.row(s)) x /= static_cast<float>(length);
    }
    return MatrixView<const float>(vectors);
  }

 private:
  size_t dimension() const { return static_cast<size_t>(table_.rows.shape[1]); }

  void AddToken(int32_t id, std::span<float> row, std::span<float> sum) const {
    const size_t token = static_cast<size_t>(id);
    const int64_t at = table_.mapping.empty() ? int64_t{id} : table_.mapping[token];
    model::ReadF32(table_.rows, at * static_cast<int64_t>(dimension()), row);
    const float weight = table_.weights.empty() ? 1.0f : table_.weights[token];
    for (size_t j = 0; j < sum.size(); ++j) sum[j] += row[j] * weight;
  }

  TokenTable table_;
};

Result<model::Tensor> GetTable(const model::TensorIndex& tensors, std::string_view name) {
  const auto shape = tensors.Shape(name);
  if (!shape) {
    return InvalidModel(tensors.name(),
                        ": has neither tensor 'embedding.weight' nor 'embeddings', which a static ",
                        "model is made of");
  }
  if (shape->size() != 2) {
    return InvalidModel(tensors.name(), ": tensor '", name, "' has ", shape->size(),
                        " dimensions, expected [vocabulary, dimension]");
  }
  return tensors.Get(name, {{"vocabulary", (*shape)[0]}, {"dimension", (*shape)[1]}});
}

}  // namespace

Result<StaticBackend> LoadTokenWeights(const model::ModelDirectory& directory) {
  AKIN_TRY_ASSIGN(const model::TensorIndex tensors, model::TensorIndex::Open(directory));
  const auto shape = tensors.Shape("weight");
  if (!shape || shape->size() != 1) {
    return InvalidModel(tensors.name(), ": tensor 'weight' is ",
                        shape ? "not of one dimension" : "missing",
                        "; a SparseStaticEmbedding has one, [vocabulary]");
  }
  AKIN_TRY_ASSIGN(const model::Tensor weight, tensors.Get("weight", {{"vocabulary", (*shape)[0]}}));
  return StaticBackend{std::make_unique<WeightBackend>(model::ReadAll(weight)),
                       static_cast<int>((*shape)[0])};
}

Result<StaticBackend> LoadStaticBackend(const model::ModelDirectory& directory) {
  AKIN_TRY_ASSIGN(model::TensorIndex tensors, model::TensorIndex::Open(directory));
  const bool own_layout = tensors.Contains("embedding.weight");
  AKIN_TRY_ASSIGN(model::Tensor rows,
                  GetTable(tensors, own_layout ? "embedding.weight" : "embeddings"));
  TokenTable table{.rows = std::move(rows), .tensors = tensors};
  int64_t vocab_size = table.rows.shape[0];
  if (!own_layout && tensors.Contains("mapping")) {
    const auto shape = tensors.Shape("mapping");
    vocab_size = shape->empty() ? 0 : (*shape)[0];
    AKIN_TRY_ASSIGN(table.mapping, tensors.GetIntegers("mapping", {"vocabulary", vocab_size}));
    const auto outside = std::ranges::find_if(
        table.mapping, [&](int64_t row) { return row < 0 || row >= table.rows.shape[0]; });
    if (outside != table.mapping.end()) {
      return InvalidModel(tensors.name(), ": tensor 'mapping' leads to row ", *outside,
                          " of 'embeddings', which has ", table.rows.shape[0]);
    }
  }
  if (!own_layout && tensors.Contains("weights")) {
    AKIN_TRY_ASSIGN(const model::Tensor weights,
                    tensors.Get("weights", {{"vocabulary", vocab_size}}));
    table.weights = model::ReadAll(weights);
  }
  return StaticBackend{std::make_unique<TableBackend>(std::move(table)),
                       static_cast<int>(vocab_size)};
}

}  // namespace akin::backends

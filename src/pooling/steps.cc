#include "pooling/steps.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/strings.h"
#include "pooling/linear.h"
#include "pooling/pooling.h"

namespace akin::pooling {
namespace {

using model::RowActivation;

float Activate(RowActivation activation, float x) {
  switch (activation) {
    case RowActivation::kIdentity: return x;
    case RowActivation::kTanh: return std::tanh(x);
    case RowActivation::kRelu: return x > 0.0f || std::isnan(x) ? x : 0.0f;
    case RowActivation::kGelu: return 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
    case RowActivation::kGeluTanh:
      return 0.5f * x * (1.0f + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    case RowActivation::kSilu: return x / (1.0f + std::exp(-x));
    case RowActivation::kSigmoid: return 1.0f / (1.0f + std::exp(-x));
    case RowActivation::kLeakyRelu: return x > 0.0f ? x : 0.01f * x;
    case RowActivation::kElu: return x > 0.0f ? x : std::expm1(x);
    case RowActivation::kSoftplus: return x > 20.0f ? x : std::log1p(std::exp(x));
  }
  return x;
}

// [num_tokens, width] -> [num_segments, modes * width].
class PoolStep : public Step {
 public:
  PoolStep(std::vector<PoolingMode> modes, size_t width)
      : Step(width, modes.size() * width, /*pools=*/true), modes_(std::move(modes)) {}

  void Forward(const StepArgs& args) const override {
    const auto share = args.member.Share(args.batch.segments.size());
    for (size_t s = share.begin; s < share.end; ++s) {
      const Segment& segment = args.batch.segments[s];
      Pool(modes_, args.in.Rows(segment.begin, segment.length), segment.first_position,
           args.out.row(s));
    }
  }

 private:
  std::vector<PoolingMode> modes_;
};

class NormalizeStep : public Step {
 public:
  explicit NormalizeStep(size_t width) : Step(width, width) {}

  void Forward(const StepArgs& args) const override {
    const auto share = args.member.Share(args.out.rows());
    for (size_t i = share.begin; i < share.end; ++i) {
      std::ranges::copy(args.in.row(i), args.out.row(i).begin());
      Normalize(args.out.row(i));
    }
  }
};

class LayerNormStep : public Step {
 public:
  LayerNormStep(const model::RowLayerNorm& norm, const kernels::Kernels& kernels)
      : Step(static_cast<size_t>(norm.weight.shape[0]), static_cast<size_t>(norm.weight.shape[0])),
        weight_(model::ReadAll(norm.weight)),
        bias_(norm.bias.empty() ? std::vector<float>() : model::ReadAll(norm.bias)),
        eps_(norm.eps),
        kernels_(kernels) {}

  void Forward(const StepArgs& args) const override {
    const auto share = args.member.Share(args.out.rows());
    const size_t count = share.end - share.begin;
    if (count == 0) return;
    kernels_.layer_norm({.input = args.in.Rows(share.begin, count),
                         .output = args.out.Rows(share.begin, count),
                         .weight = weight_.data(),
                         .bias = bias_.empty() ? nullptr : bias_.data(),
                         .eps = eps_});
  }

 private:
  std::vector<float> weight_, bias_;
  float eps_;
  kernels::Kernels kernels_;
};

class DenseStep : public Step {
 public:
  DenseStep(const model::Dense& dense, const kernels::Kernels& kernels)
      : Step(static_cast<size_t>(dense.weight.shape[1]),
             static_cast<size_t>(dense.weight.shape[0])),
        linear_(dense.weight, dense.bias, kernels),
        activation_(dense.activation),
        add_input_(dense.add_input) {
    if (!dense.residual.empty()) residual_.emplace(dense.residual, model::Tensor{}, kernels);
  }

  size_t ScratchBytes(size_t rows, size_t /*team_size*/) const override {
    return ScratchBytes(linear_.OperandBytes(rows), residual_.has_value(), rows, out_width());
  }
  static size_t ScratchBytes(size_t operand_bytes, bool has_residual, size_t rows,
                             size_t out_width) {
    const size_t residual = has_residual ? rows * PaddedWidth(out_width) * sizeof(float) : 0;
    return operand_bytes + residual + kAlignment;
  }
  double Flops() const override {
    return 2.0 * static_cast<double>(in_width() * out_width()) * (residual_ ? 2 : 1);
  }

  // Shared by columns: a member activates the columns that it has multiplied.
  void Forward(const StepArgs& args) const override {
    const size_t rows = args.in.rows();
    const kernels::Operand operand = linear_.Prepare(args.in, args.member, args.scratch);
    args.member.Meet();
    const auto panels = args.member.Share(linear_.num_panels());
    if (panels.begin == panels.end) return;
    const size_t first = panels.begin * linear_.panel_width();
    const size_t count = std::min(panels.end * linear_.panel_width(), out_width()) - first;
    const MatrixView<float> out = args.out.Columns(first, count);
    linear_.Multiply(operand, panels.begin, panels.end, out);
    for (size_t i = 0; i < rows; ++i) {
      for (float& x : out.row(i)) x = Activate(activation_, x);
    }
    if (add_input_) Add(args.in.Columns(first, count), out);
    if (!residual_) return;
    const size_t offset = (linear_.OperandBytes(rows) + kAlignment - 1) / kAlignment * kAlignment;
    const MatrixView<float> projected =
        MatrixView<float>(reinterpret_cast<float*>(args.scratch.data() + offset), rows, out_width(),
                          PaddedWidth(out_width()))
            .Columns(first, count);
    residual_->Multiply(operand, panels.begin, panels.end, projected);
    Add(projected, out);
  }

 private:
  static constexpr size_t kAlignment = 64;
  static size_t PaddedWidth(size_t width) { return (width + 15) / 16 * 16; }
  static void Add(MatrixView<const float> rows, MatrixView<float> out) {
    for (size_t i = 0; i < out.rows(); ++i) {
      for (size_t j = 0; j < out.cols(); ++j) out(i, j) += rows(i, j);
    }
  }

  Linear linear_;
  std::optional<Linear> residual_;
  RowActivation activation_;
  bool add_input_;
};

// What SPLADE makes of logits of the vocabulary.
class LogitWeights {
 public:
  explicit LogitWeights(const model::VocabularyPooling& pooling)
      : sum_(pooling.sum), log_twice_(pooling.log_twice) {}

  // logits [num_tokens, n] -> weights [n]. The weight rises with the logit: the largest logit has
  // the largest weight.
  void Reduce(MatrixView<const float> logits, std::span<float> weights) const {
    if (sum_) {
      std::ranges::fill(weights, 0.0f);
    } else {
      std::ranges::copy(logits.row(0), weights.begin());
    }
    for (size_t i = 0; i < logits.rows(); ++i) {
      const std::span<const float> row = logits.row(i);
      for (size_t j = 0; j < weights.size(); ++j) {
        if (sum_) {
          weights[j] += Weigh(row[j]);
        } else if (row[j] > weights[j] || std::isnan(row[j])) {
          weights[j] = row[j];
        }
      }
    }
    if (sum_) return;
    for (float& weight : weights) weight = Weigh(weight);
  }

 private:
  float Weigh(float x) const {
    const float weight = std::log1p(Activate(RowActivation::kRelu, x));
    return log_twice_ ? std::log1p(weight) : weight;
  }

  bool sum_, log_twice_;
};

// Logits [num_tokens, vocabulary] -> [num_segments, vocabulary], shared by columns.
class LogitStep : public Step {
 public:
  LogitStep(const model::VocabularyPooling& pooling, size_t vocabulary)
      : Step(vocabulary, vocabulary, /*pools=*/true), weights_(pooling) {}

  void Forward(const StepArgs& args) const override {
    const auto share = args.member.Share(out_width());
    const size_t count = share.end - share.begin;
    if (count == 0) return;
    const MatrixView<const float> logits = args.in.Columns(share.begin, count);
    for (size_t s = 0; s < args.batch.segments.size(); ++s) {
      const Segment& segment = args.batch.segments[s];
      weights_.Reduce(logits.Rows(segment.begin, segment.length),
                      args.out.row(s).subspan(share.begin, count));
    }
  }

 private:
  LogitWeights weights_;
};

// [num_tokens, width] -> [num_segments, vocabulary]. The logits of all tokens would take more
// memory than all else: a few panels of columns at a time are multiplied, reduced and forgotten.
class VocabularyStep : public Step {
 public:
  VocabularyStep(const model::VocabularyPooling& pooling, const kernels::Kernels& kernels)
      : Step(static_cast<size_t>(pooling.weight.shape[1]),
             static_cast<size_t>(pooling.weight.shape[0]), /*pools=*/true),
        decoder_(pooling.weight, pooling.bias, kernels),
        weights_(pooling) {}

  size_t ScratchBytes(size_t rows, size_t team_size) const override {
    return ScratchBytes(decoder_.OperandBytes(rows), decoder_.panel_width(), rows, team_size);
  }
  static size_t ScratchBytes(size_t operand_bytes, size_t panel_width, size_t rows,
                             size_t team_size) {
    return RoundUp(operand_bytes) + team_size * TileBytes(panel_width, rows);
  }
  double Flops() const override { return 2.0 * static_cast<double>(in_width() * out_width()); }

  void Forward(const StepArgs& args) const override {
    const size_t rows = args.in.rows();
    const kernels::Operand operand = decoder_.Prepare(args.in, args.member, args.scratch);
    args.member.Meet();
    std::byte* const memory =
        args.scratch.data() + RoundUp(decoder_.OperandBytes(rows)) +
        static_cast<size_t>(args.member.rank) * TileBytes(decoder_.panel_width(), rows);
    const auto panels = args.member.Share(decoder_.num_panels());
    for (size_t first = panels.begin; first < panels.end; first += kTilePanels) {
      const size_t last = std::min(first + kTilePanels, panels.end);
      const size_t column = first * decoder_.panel_width();
      const size_t count = std::min(last * decoder_.panel_width(), out_width()) - column;
      const MatrixView<float> tile(reinterpret_cast<float*>(memory), rows, count,
                                   TileWidth(decoder_.panel_width()));
      decoder_.Multiply(operand, first, last, tile);
      for (size_t s = 0; s < args.batch.segments.size(); ++s) {
        const Segment& segment = args.batch.segments[s];
        weights_.Reduce(tile.Rows(segment.begin, segment.length),
                        args.out.row(s).subspan(column, count));
      }
    }
  }

 private:
  static constexpr size_t kTilePanels = 4;
  static size_t RoundUp(size_t bytes) { return (bytes + 63) / 64 * 64; }
  static size_t TileWidth(size_t panel_width) { return (kTilePanels * panel_width + 15) / 16 * 16; }
  static size_t TileBytes(size_t panel_width, size_t rows) {
    return RoundUp(rows * TileWidth(panel_width) * sizeof(float));
  }

  Linear decoder_;
  LogitWeights weights_;
};

Status CheckWidth(std::string_view folder, size_t expected, const RowShape& rows) {
  if (expected == rows.width) return {};
  return InvalidModel(folder, ": takes rows of ", expected, " values, but those before it have ",
                      rows.width);
}

Error NothingToPool(std::string_view folder) {
  return UnsupportedModel(folder, ": there is nothing to pool: an earlier module has made one ",
                          "vector of all tokens already");
}

using NewStep = std::unique_ptr<const Step>;

// One overload a module.
struct StepMaker {
  const RowShape& rows;
  const StepKernels& kernels;

  const kernels::Kernels& OfRows() const {
    return rows.per_token ? kernels.token_rows : kernels.pooled_rows;
  }

  Result<NewStep> operator()(const model::Pooling& pooling) const {
    if (!rows.per_token) return NothingToPool(pooling.folder);
    if (pooling.dimension && static_cast<size_t>(*pooling.dimension) != rows.width) {
      return InvalidModel(pooling.folder, "/config.json: \"word_embedding_dimension\" is ",
                          *pooling.dimension, ", but the states before it have ", rows.width,
                          " values (", rows.source, ")");
    }
    return NewStep(std::make_unique<PoolStep>(pooling.modes, rows.width));
  }
  Result<NewStep> operator()(const model::Dense& dense) const {
    AKIN_TRY(CheckWidth(dense.folder, static_cast<size_t>(dense.weight.shape[1]), rows));
    return NewStep(std::make_unique<DenseStep>(dense, OfRows()));
  }
  Result<NewStep> operator()(const model::RowLayerNorm& norm) const {
    AKIN_TRY(CheckWidth(norm.folder, static_cast<size_t>(norm.weight.shape[0]), rows));
    return NewStep(std::make_unique<LayerNormStep>(norm, OfRows()));
  }
  Result<NewStep> operator()(const model::Normalize&) const {
    return NewStep(std::make_unique<NormalizeStep>(rows.width));
  }
  Result<NewStep> operator()(const model::VocabularyPooling& pooling) const {
    if (!rows.per_token) return NothingToPool(pooling.folder);
    if (rows.logits) return NewStep(std::make_unique<LogitStep>(pooling, rows.width));
    if (pooling.weight.empty()) {
      return UnsupportedModel("sparse vectors are made of the logits of a masked-language-model ",
                              "head, but there are states of tokens only (", rows.source,
                              ") and no weights of a head");
    }
    AKIN_TRY(CheckWidth(pooling.folder, static_cast<size_t>(pooling.weight.shape[1]), rows));
    return NewStep(std::make_unique<VocabularyStep>(pooling, kernels.token_rows));
  }
};

// One overload a module, as above.
struct MemoryMaker {
  const RowShape& rows;
  const StepKernels& kernels;

  StepMemory operator()(const model::Pooling& pooling) const {
    return {.out_width = pooling.modes.size() * rows.width, .pools = true, .scratch_bytes = {}};
  }
  StepMemory operator()(const model::Dense& dense) const {
    const kernels::Kernels& own = rows.per_token ? kernels.token_rows : kernels.pooled_rows;
    const bool has_residual = !dense.residual.empty();
    const size_t width = static_cast<size_t>(dense.weight.shape[0]);
    return {.out_width = width,
            .weight_bytes = Linear::MemoryBytes(dense.weight, own) +
                            (has_residual ? Linear::MemoryBytes(dense.residual, own) : 0),
            .scratch_bytes = [weight = dense.weight, own, has_residual, width](size_t num_rows,
                                                                               size_t) {
              return DenseStep::ScratchBytes(Linear::OperandBytes(weight, own, num_rows),
                                             has_residual, num_rows, width);
            }};
  }
  StepMemory operator()(const model::RowLayerNorm& norm) const {
    const auto bytes = [](const model::Tensor& tensor) {
      return tensor.empty() ? 0 : static_cast<size_t>(tensor.num_elements()) * sizeof(float);
    };
    return {.out_width = rows.width,
            .weight_bytes = bytes(norm.weight) + bytes(norm.bias),
            .scratch_bytes = {}};
  }
  StepMemory operator()(const model::Normalize&) const {
    return {.out_width = rows.width, .scratch_bytes = {}};
  }
  StepMemory operator()(const model::VocabularyPooling& pooling) const {
    if (rows.logits || pooling.weight.empty())
      return {.out_width = rows.width, .pools = true, .scratch_bytes = {}};
    return {.out_width = static_cast<size_t>(pooling.weight.shape[0]),
            .pools = true,
            .weight_bytes = Linear::MemoryBytes(pooling.weight, kernels.token_rows),
            .scratch_bytes = [weight = pooling.weight, own = kernels.token_rows](size_t num_rows,
                                                                                 size_t team_size) {
              return VocabularyStep::ScratchBytes(Linear::OperandBytes(weight, own, num_rows),
                                                  own.linear.panel_width, num_rows, team_size);
            }};
  }
};

}  // namespace

StepMemory MemoryOfStep(const model::Module& module, const RowShape& rows,
                        const StepKernels& kernels) {
  return std::visit(MemoryMaker{rows, kernels}, module);
}

Result<std::unique_ptr<const Step>> MakeStep(const model::Module& module, const RowShape& rows,
                                             const StepKernels& kernels) {
  return std::visit(StepMaker{rows, kernels}, module);
}

}  // namespace akin::pooling

#include "encoder/convolution.h"

#include <algorithm>
#include <cmath>

#include "encoder/feed_forward.h"
#include "encoder/product.h"
#include "encoder/stage_work.h"

namespace akin::encoder {
namespace {

LinearSource Source(const model::ModelWeights& weights) {
  return LinearSource::SideBySide({&weights.convolution});
}

}  // namespace

size_t Convolution::PackedBytes(const model::ModelWeights& weights,
                                const kernels::Kernels& kernels) {
  return Source(weights).PackedBytes(kernels);
}

Convolution::Convolution(const model::ModelWeights& weights, const model::ModelConfig& config,
                         const kernels::Kernels& kernels, WeightArena& arena)
    : kernels_(kernels),
      kernel_size_(static_cast<size_t>(config.convolution->kernel_size)),
      tanh_(!config.convolution->act),
      epilogue_(tanh_ ? kernels::Epilogue::kStore : ActivationEpilogue(*config.convolution->act)),
      norm_(weights.convolution_norm, config, kernels),
      linear_(arena.Add(Source(weights))) {}

void Convolution::Unfold(const RaggedBatch& batch, size_t first, size_t last,
                         const Workspace& workspace) const {
  const size_t num_tokens = batch.num_tokens(), reach = kernel_size_ / 2;
  const MatrixView<float> hidden = workspace.hidden().f32(num_tokens);
  const MatrixView<float> unfolded = workspace.unfolded().f32(num_tokens);
  for (size_t s = 0; s < batch.num_sequences(); ++s) {
    const size_t begin = batch.begin(s), end = begin + batch.length(s);
    for (size_t token = std::max(begin, first); token < std::min(end, last); ++token) {
      float* const out = unfolded.row(token).data();
      for (size_t t = 0; t < kernel_size_; ++t) {
        const size_t from = token + t;  // Less `reach`.
        const bool inside = from >= begin + reach && from < end + reach;
        const float* const row = inside ? hidden.row(from - reach).data() : nullptr;
        for (size_t i = 0; i < hidden.cols(); ++i)
          out[i * kernel_size_ + t] = inside ? row[i] : 0.0f;
      }
    }
  }
  workspace.unfolded().Prepare(kernels_, first, last);
}

void Convolution::Forward(const RaggedBatch& batch, const TeamMember& member,
                          const Workspace& workspace) const {
  const size_t num_tokens = batch.num_tokens();
  const auto share = member.Share(num_tokens);
  Unfold(batch, share.begin, share.end, workspace);
  member.Lap(Stage::kPrepare, WorkOnRows(share.end - share.begin, workspace.unfolded().cols()));
  member.Meet();
  Multiply(kernels_, Stage::kIntermediate, member,
           {.input = workspace.unfolded().operand(num_tokens),
            .linear = linear_,
            .output = workspace.branch().output(num_tokens),
            .epilogue = epilogue_});
}

void Convolution::AddTo(size_t num_tokens, const TeamMember& member,
                        const Workspace& workspace) const {
  const auto share = member.Share(num_tokens);
  const size_t count = share.end - share.begin;
  const MatrixView<float> hidden = workspace.hidden().f32(num_tokens).Rows(share.begin, count);
  const MatrixView<float> branch = workspace.branch().f32(num_tokens).Rows(share.begin, count);
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < hidden.cols(); ++j)
      hidden(i, j) += tanh_ ? std::tanh(branch(i, j)) : branch(i, j);
  }
  norm_.Forward(hidden);
  workspace.hidden().Prepare(kernels_, share.begin, share.end);
  member.Lap(Stage::kNorm, WorkOnRows(count, hidden.cols()));
  member.Meet();
}

}  // namespace akin::encoder

// The reference: every kernel as the plainest loop that does it. Other tiers are tested against
// these.
#include "kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace akin::kernels {
namespace {

constexpr size_t kPanelWidth = 16;

void PackPanel(MatrixView<const float> rows, std::span<const float> bias, float* panel) {
  std::copy(bias.begin(), bias.end(), panel);
  for (size_t k = 0; k < rows.cols(); ++k) {
    for (size_t j = 0; j < kPanelWidth; ++j) panel[(1 + k) * kPanelWidth + j] = rows(j, k);
  }
}

void Store(Epilogue epilogue, float x, float& y) {
  switch (epilogue) {
    case Epilogue::kStore: y = x; break;
    case Epilogue::kGelu: y = 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); break;
    case Epilogue::kGeluTanh:
      y = 0.5f * x * (1.0f + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));
      break;
    case Epilogue::kRelu: y = std::max(x, 0.0f); break;
    case Epilogue::kAdd: y += x; break;
  }
}

void Linear(const LinearArgs& args) {
  const size_t n = args.linear.n, k = args.linear.k;
  for (size_t p = args.first_panel; p < args.last_panel; ++p) {
    const float* panel = args.linear.panels + p * kPanelWidth * (k + 1);
    const size_t first = p * kPanelWidth, width = std::min(kPanelWidth, n - first);
    for (size_t i = 0; i < args.input.rows(); ++i) {
      float sum[kPanelWidth] = {};
      for (size_t kk = 0; kk < k; ++kk) {
        const float x = args.input(i, kk);
        for (size_t j = 0; j < kPanelWidth; ++j) sum[j] += x * panel[(1 + kk) * kPanelWidth + j];
      }
      for (size_t j = 0; j < width; ++j) {
        Store(args.epilogue, sum[j] + panel[j], args.output(i, first + j));
      }
    }
  }
}

size_t AttentionScratchFloats(size_t length, size_t /*head_dim*/) { return length; }

void Attention(const AttentionArgs& args) {
  const size_t length = args.query.rows(), head_dim = args.query.cols();
  const std::span<float> scores = args.scratch.first(length);
  for (size_t i = 0; i < length; ++i) {
    for (size_t j = 0; j < length; ++j) {
      float dot = 0.0f;
      for (size_t d = 0; d < head_dim; ++d) dot += args.query(i, d) * args.key(j, d);
      scores[j] = dot * args.scale;
    }
    const float max = *std::max_element(scores.begin(), scores.end());
    float sum = 0.0f;
    for (float& score : scores) sum += score = std::exp(score - max);
    for (size_t d = 0; d < head_dim; ++d) {
      float context = 0.0f;
      for (size_t j = 0; j < length; ++j) context += scores[j] * args.value(j, d);
      args.context(i, d) = context / sum;
    }
  }
}

void LayerNorm(const LayerNormArgs& args) {
  const size_t size = args.hidden.cols();
  for (size_t i = 0; i < args.hidden.rows(); ++i) {
    const std::span<float> row = args.hidden.row(i);
    double sum = 0.0, squares = 0.0;
    for (float x : row) sum += x;
    const double mean = sum / static_cast<double>(size);
    for (float x : row) squares += (x - mean) * (x - mean);
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(size) + args.eps);
    for (size_t j = 0; j < size; ++j) {
      row[j] = static_cast<float>((row[j] - mean) * scale) * args.weight[j] + args.bias[j];
    }
  }
}

}  // namespace

Kernels ScalarKernels() {
  return {.isa = Isa::kScalar,
          .panel_width = kPanelWidth,
          .pack_panel = PackPanel,
          .linear = Linear,
          .attention = Attention,
          .attention_scratch_floats = AttentionScratchFloats,
          .layer_norm = LayerNorm};
}

}  // namespace akin::kernels

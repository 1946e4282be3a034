// The reference: every kernel as the plainest loop that does it. Other tiers are tested against
// these.
#include "kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/scalar/products.h"

namespace akin::kernels {
namespace {

using scalar::kPanelWidth;
using scalar::PanelSums;

float Finish(Epilogue epilogue, float x) {
  switch (epilogue) {
    case Epilogue::kStore:
    case Epilogue::kAdd: break;
    case Epilogue::kGelu: return 0.5f * x * (1.0f + std::erf(x * 0.70710678f));
    case Epilogue::kGeluTanh:
      return 0.5f * x * (1.0f + std::tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    case Epilogue::kRelu: return std::max(x, 0.0f);
  }
  return x;
}

template <typename Product>
void Linear(const LinearArgs& args) {
  const PackedLinear& linear = args.linear;
  const size_t panel_bytes = Product::PanelBytes(linear.k);
  for (size_t p = args.first_panel; p < args.last_panel; ++p) {
    const std::byte* panel = linear.panels + p * panel_bytes;
    const size_t first = p * kPanelWidth, width = std::min(kPanelWidth, linear.n - first);
    for (size_t i = 0; i < args.input.rows; ++i) {
      const PanelSums sums =
          Product::Multiply(args.input.data + i * args.input.row_bytes, panel, linear.k);
      for (size_t j = 0; j < width; ++j) {
        const float y = Finish(args.epilogue, sums[j]);
        if (args.output.bf16.rows() > 0) {
          args.output.bf16(i, first + j) = Bf16::From(y);
        } else {
          float& out = args.output.f32(i, first + j);
          out = args.epilogue == Epilogue::kAdd ? out + y : y;
        }
      }
    }
  }
}

template <typename Product>
LinearKernels KernelsFor() {
  LinearKernels kernels{.operand = Product::kOperand,
                        .panel_width = kPanelWidth,
                        .panel_bytes = Product::PanelBytes,
                        .pack_panel = Product::PackPanel,
                        .linear = Linear<Product>};
  if constexpr (Product::kOperand == OperandKind::kQuantized) {
    kernels.operand_bytes = Product::RowBytes;
    kernels.quantize_rows = Product::QuantizeRows;
  }
  return kernels;
}

LinearKernels LinearKernelsOf(Precision precision) {
  switch (precision) {
    case Precision::kAuto:
    case Precision::kF32: return KernelsFor<scalar::F32Product>();
    case Precision::kBf16x3: return KernelsFor<scalar::Bf16x3Product>();
    case Precision::kBf16: return KernelsFor<scalar::Bf16Product>();
    case Precision::kW8: return KernelsFor<scalar::W8Product>();
    case Precision::kInt8: return KernelsFor<scalar::Int8Product>();
  }
  return KernelsFor<scalar::F32Product>();
}

size_t AttentionScratchFloats(size_t length, size_t /*head_dim*/) { return length; }

float Value(float x) { return x; }
float Value(Bf16 x) { return x.ToFloat(); }

void Store(const Output& output, size_t i, size_t j, float x) {
  if (output.bf16.rows() > 0) {
    output.bf16(i, j) = Bf16::From(x);
  } else {
    output.f32(i, j) = x;
  }
}

template <typename T>
void Attention(const AttentionArgs<T>& args) {
  const size_t length = args.query.rows(), head_dim = args.query.cols();
  const std::span<float> scores = args.scratch.first(length);
  for (size_t i = 0; i < length; ++i) {
    for (size_t j = 0; j < length; ++j) {
      float dot = 0.0f;
      for (size_t d = 0; d < head_dim; ++d) dot += Value(args.query(i, d)) * Value(args.key(j, d));
      scores[j] = dot * args.scale;
    }
    const float max = *std::max_element(scores.begin(), scores.end());
    float sum = 0.0f;
    for (float& score : scores) sum += score = std::exp(score - max);
    for (size_t d = 0; d < head_dim; ++d) {
      float context = 0.0f;
      for (size_t j = 0; j < length; ++j) context += scores[j] * Value(args.value(j, d));
      Store(args.context, i, d, context / sum);
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

void ToBf16(MatrixView<const float> from, MatrixView<Bf16> to) {
  for (size_t i = 0; i < from.rows(); ++i) {
    std::ranges::transform(from.row(i), to.row(i).begin(), Bf16::From);
    if (from.cols() % 2 == 1) to.row(i).data()[from.cols()] = Bf16{};
  }
}

}  // namespace

Kernels ScalarKernels(Precision precision) {
  const bool near_f32 = precision == Precision::kAuto || precision == Precision::kF32 ||
                        precision == Precision::kBf16x3;
  AttentionKernels<Bf16> attention_bf16;
  if (!near_f32)
    attention_bf16 = {.attention = Attention<Bf16>, .scratch_floats = AttentionScratchFloats};
  return {.isa = Isa::kScalar,
          .requested = precision,
          .precision = precision,
          .linear = LinearKernelsOf(precision),
          .attention = {.attention = Attention<float>, .scratch_floats = AttentionScratchFloats},
          .attention_bf16 = attention_bf16,
          .layer_norm = LayerNorm,
          .to_bf16 = ToBf16};
}

}  // namespace akin::kernels

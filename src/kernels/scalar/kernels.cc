// The reference: every kernel as the plainest loop that does it. Other tiers are tested against
// these.
#include "kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "kernels/scalar/attention.h"
#include "kernels/scalar/products.h"
#include "kernels/scalar/rows.h"

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
    case Epilogue::kSilu: return x / (1.0f + std::exp(-x));
    case Epilogue::kQuickGelu: return x / (1.0f + std::exp(-1.702f * x));
  }
  return x;
}

template <typename Product>
void Linear(const LinearArgs& args) {
  const PackedLinear& linear = args.linear;
  const size_t panel_bytes = Product::PanelBytes(linear.k);
  const size_t columns = linear.gated ? kPanelWidth / 2 : kPanelWidth;  // Of a panel's output.
  for (size_t p = args.first_panel; p < args.last_panel; ++p) {
    const std::byte* panel = linear.panels + p * panel_bytes;
    const size_t first = p * columns, width = std::min(columns, linear.n - first);
    for (size_t i = 0; i < args.input.rows; ++i) {
      const PanelSums sums =
          Product::Multiply(args.input.data + i * args.input.row_bytes, panel, linear.k);
      for (size_t j = 0; j < width; ++j) {
        const float y = Finish(args.epilogue, sums[j]) * (linear.gated ? sums[columns + j] : 1.0f);
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
    if constexpr (std::is_same_v<Product, scalar::Int16Product>)
      kernels.integer_row = IntegerRow::kWide;
    kernels.operand_bytes = Product::RowBytes;
    kernels.quantize_rows = Product::QuantizeRows;
  }
  return kernels;
}

LinearKernels LinearKernelsOf(Precision precision) {
  switch (precision) {
    case Precision::kAuto:
    case Precision::kF16:  // Refused by SelectKernels.
    case Precision::kF32: return KernelsFor<scalar::F32Product>();
    case Precision::kBf16x3: return KernelsFor<scalar::Bf16x3Product>();
    case Precision::kBf16: return KernelsFor<scalar::Bf16Product>();
    case Precision::kW8: return KernelsFor<scalar::W8Product>();
    case Precision::kInt16: return KernelsFor<scalar::Int16Product>();
    case Precision::kInt8: return KernelsFor<scalar::Int8Product>();
  }
  return KernelsFor<scalar::F32Product>();
}

void ToBf16(MatrixView<const float> from, MatrixView<Bf16> to) {
  for (size_t i = 0; i < from.rows(); ++i) {
    std::ranges::transform(from.row(i), to.row(i).begin(), Bf16::From);
    if (from.cols() % 2 == 1) to.row(i).data()[from.cols()] = Bf16{};
  }
}

}  // namespace

Kernels ScalarKernels(Precision precision) {
  const bool in_f32 = AttendsInF32(precision);
  return {.isa = Isa::kScalar,
          .requested = precision,
          .precision = precision,
          .linear = LinearKernelsOf(precision),
          .attention = scalar::AttentionF32(),
          .attention_bf16 = in_f32 ? AttentionKernels<Bf16>() : scalar::AttentionBf16(),
          .patterned_attention = scalar::PatternedAttentionF32(),
          .patterned_attention_bf16 =
              in_f32 ? PatternedAttentionKernels<Bf16>() : scalar::PatternedAttentionBf16(),
          .layer_norm = scalar::LayerNorm,
          .rms_norm = scalar::RmsNorm,
          .rotate = scalar::Rotate,
          .to_bf16 = ToBf16};
}

}  // namespace akin::kernels

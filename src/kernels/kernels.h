// The table of kernels: everything that is computed per token, once for each instruction-set tier.
//
// ScalarKernels() fills every entry with plain loops, the reference. WithAvx2 and WithAvx512
// replace what they do better. The table is chosen once, at load, and passed down as `const
// Kernels&`.
//
// Batch invariance (docs/design/001-batch-invariance.md): for one row, the order of every addition
// depends on the shapes of the model and the tier alone; never on how many rows are computed
// together, nor on how the work is split over threads. No kernel splits a sum over k, and edges
// round as the middle does.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/options.h"
#include "akin/result.h"
#include "akin/system.h"

namespace akin::kernels {

// What happens to an element of a matrix product, bias already added, before it is stored.
enum class Epilogue {
  kStore,     // y = x
  kGelu,      // y = x * Phi(x), Phi the normal distribution function (the exact form, by erf)
  kGeluTanh,  // y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  kRelu,      // y = max(x, 0)
  kAdd,       // y += x
};

// A linear layer in the tier's layout: panels of `panel_width` output columns, each its bias
// [panel_width] and then [k][panel_width]. Columns past n are zero, so products need no remainder
// branch.
struct PackedLinear {
  const float* panels = nullptr;  // 64-byte aligned.
  size_t n = 0;                   // Output columns.
  size_t k = 0;                   // Input columns.
};

struct LinearArgs {
  MatrixView<const float> input;  // [m, k]
  PackedLinear linear;            // [n, k]
  MatrixView<float> output;       // [m, n]
  Epilogue epilogue = Epilogue::kStore;
  // The part to compute: panels [first_panel, last_panel) of all rows.
  size_t first_panel = 0;
  size_t last_panel = 0;
};

// Self-attention of one head over one sequence, all its queries against all its keys.
struct AttentionArgs {
  MatrixView<const float> query;  // [length, head_dim]
  MatrixView<const float> key;    // [length, head_dim]
  MatrixView<const float> value;  // [length, head_dim]
  MatrixView<float> context;      // [length, head_dim]
  float scale = 1.0f;        // Scores are multiplied by it before the softmax: 1 / sqrt(head_dim).
  std::span<float> scratch;  // attention_scratch_floats(length, head_dim) of them, 64-byte aligned.
};

struct LayerNormArgs {
  MatrixView<float> hidden;  // [m, hidden_size], normalized in place.
  const float* weight = nullptr;
  const float* bias = nullptr;
  float eps = 0.0f;
};

struct Kernels {
  Isa isa = Isa::kScalar;
  size_t panel_width = 0;

  // Writes one panel: `rows` [panel_width, k] are rows of the weight matrix [n, k] (zero rows past
  // n), `bias` [panel_width] likewise, `panel` takes (1 + k) * panel_width floats.
  void (*pack_panel)(MatrixView<const float> rows, std::span<const float> bias,
                     float* panel) = nullptr;

  // output = epilogue(input x weight^T + bias), sums in f32 in the order of k, one fused
  // multiply-add a step (scalar: a multiply and an add). GELU: at most 5e-7 from the exact value,
  // plus 2e-7 relative.
  void (*linear)(const LinearArgs& args) = nullptr;

  // softmax(query x key^T * scale) x value. exp has a relative error of at most 2e-7.
  void (*attention)(const AttentionArgs& args) = nullptr;
  size_t (*attention_scratch_floats)(size_t length, size_t head_dim) = nullptr;

  // (x - mean) / sqrt(variance + eps) * weight + bias by row; variance as the mean of squared
  // differences.
  void (*layer_norm)(const LayerNormArgs& args) = nullptr;
};

inline size_t NumPanels(const Kernels& kernels, size_t n) {
  return (n + kernels.panel_width - 1) / kernels.panel_width;
}
inline size_t PackedFloats(const Kernels& kernels, size_t n, size_t k) {
  return NumPanels(kernels, n) * kernels.panel_width * (k + 1);
}

Kernels ScalarKernels();
Kernels WithAvx2(Kernels below);
Kernels WithAvx512(Kernels below);

// Every tier, lowest first, and whether it can run here.
std::vector<IsaStatus> ListIsas();

struct IsaChoice {
  Isa isa;
  std::string
      reason;  // "requested", "AKIN_ISA", "the best that this CPU and operating system support"
};

// The tier for `isa`: kAuto takes AKIN_ISA from the environment, or else the best that the CPU and
// the operating system support. Error: InvalidInput when the tier cannot run here, saying whether
// the CPU or the build lacks it.
Result<IsaChoice> ChooseIsa(Isa isa);

// The table of that tier.
Result<Kernels> SelectKernels(Isa isa);

}  // namespace akin::kernels

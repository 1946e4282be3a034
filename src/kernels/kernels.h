// The table of kernels: everything that is computed per token, once for each instruction-set tier.
//
// ScalarKernels() fills every entry with plain loops, the reference. WithAvx2, WithAvx512, ...
// replace what they do better. The table is chosen once, at load, for a tier and a precision, and
// passed down as `const Kernels&`.
//
// Batch invariance (docs/design/001-batch-invariance.md): for one row, the order of every addition
// depends on the shapes of the model, the tier and the precision alone; never on how many rows are
// computed together, nor on how the work is split over threads. No kernel splits a sum over k, and
// edges round as the middle does.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/options.h"
#include "akin/result.h"
#include "akin/system.h"

#include "base/bf16.h"

namespace akin::kernels {

// What happens to an element of a matrix product, bias already added, before it is stored.
enum class Epilogue {
  kStore,      // y = x
  kGelu,       // y = x * Phi(x), Phi the normal distribution function (the exact form, by erf)
  kGeluTanh,   // y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  kRelu,       // y = max(x, 0)
  kSilu,       // y = x / (1 + exp(-x))
  kQuickGelu,  // y = x / (1 + exp(-1.702 x))
  kAdd,        // y += x, f32 only
};

// What the products of some tier run in, the nearest to f32 first.
inline constexpr Precision kPrecisions[] = {Precision::kF32,  Precision::kBf16x3, Precision::kInt16,
                                            Precision::kBf16, Precision::kW8,     Precision::kInt8};

// Those of f32's accuracy, or nearly, for which attention stays in f32 on every tier.
constexpr bool AttendsInF32(Precision precision) {
  return precision == Precision::kF32 || precision == Precision::kBf16x3 ||
         precision == Precision::kInt16;
}

// What a product reads of its input; a precision has one kind on a tier.
enum class OperandKind {
  kF32,        // Rows of f32 as they are.
  kBf16,       // Rows of bf16, each a whole number of pairs: a zero follows an odd last element.
  kQuantized,  // Rows that quantize_rows makes, of operand_bytes(k).
};

// How rows of integers (integers.h) keep their values: as the tier multiplies them.
enum class IntegerRow {
  kUnsigned,  // A byte each, IntegerShape::kZero above the value.
  kSigned,    // A byte each.
  kWide,      // Two bytes each; rows of int16 always.
};

// Rows of input in the operand format. No kernel reads past the last one.
struct Operand {
  const std::byte* data = nullptr;
  size_t rows = 0;
  size_t row_bytes = 0;  // From one row to the next.

  // Rows [first, first + count).
  Operand Rows(size_t first, size_t count) const {
    return {data + first * row_bytes, count, row_bytes};
  }
};

// Where a result goes: one of the two is there.
struct Output {
  MatrixView<float> f32;
  MatrixView<Bf16> bf16;

  // Rows [first, first + count).
  Output Rows(size_t first, size_t count) const {
    if (bf16.rows() > 0) return {.f32 = {}, .bf16 = bf16.Rows(first, count)};
    return {.f32 = f32.Rows(first, count), .bf16 = {}};
  }
  Output Columns(size_t first, size_t count) const {
    if (bf16.rows() > 0) return {.f32 = {}, .bf16 = bf16.Columns(first, count)};
    return {.f32 = f32.Columns(first, count), .bf16 = {}};
  }
};

// A linear layer in the layout of tier and precision: panels of `panel_width` output columns, each
// panel_bytes(k) long. Columns past n are zero, so products need no remainder branch.
//
// A gated one is two layers of n outputs, a gate and its values; the first half of a panel's
// columns is the gate's, the other half the same columns of the values, so that both meet in one
// tile.
struct PackedLinear {
  const std::byte* panels = nullptr;  // 64-byte aligned.
  size_t n = 0;                       // Output columns.
  size_t k = 0;                       // Input columns.
  bool gated = false;                 // output = epilogue(gate) * values; not with kAdd.
};

struct LinearArgs {
  Operand input;        // [m, k]
  PackedLinear linear;  // [n, k]
  Output output;        // [m, n]
  Epilogue epilogue = Epilogue::kStore;
  // The part to compute: panels [first_panel, last_panel) of all rows.
  size_t first_panel = 0;
  size_t last_panel = 0;
};

// Matrix products in one precision.
struct LinearKernels {
  OperandKind operand = OperandKind::kF32;
  size_t panel_width = 0;
  size_t (*panel_bytes)(size_t k) = nullptr;  // A multiple of 64.

  // Writes one panel: `rows` [panel_width, k] are rows of the weight matrix [n, k] (zero rows past
  // n), `bias` [panel_width] likewise.
  void (*pack_panel)(MatrixView<const float> rows, std::span<const float> bias,
                     std::byte* panel) = nullptr;

  IntegerRow integer_row = IntegerRow::kUnsigned;  // Of rows in int8 and int16.

  // kQuantized only: rows [m, k] -> m rows of operand_bytes(k).
  size_t (*operand_bytes)(size_t k) = nullptr;
  void (*quantize_rows)(MatrixView<const float> rows, std::byte* operand) = nullptr;

  // output = epilogue(input x weight^T + bias), sums in f32 in the order of k. GELU: at most 5e-7
  // from the exact value, plus 2e-7 relative, before it is rounded to the output's type.
  void (*linear)(const LinearArgs& args) = nullptr;
};

// What a head's attention reads of a sequence: [length, head_dim] each.
template <typename T>
struct HeadRows {
  MatrixView<const T> query;
  MatrixView<const T> key;
  MatrixView<const T> value;
};

// Self-attention of one head over one sequence, all its queries against all its keys.
template <typename T>
struct AttentionArgs {
  MatrixView<const T> query;  // [length, head_dim]
  MatrixView<const T> key;    // [length, head_dim]
  MatrixView<const T> value;  // [length, head_dim]
  Output context;             // [length, head_dim]
  float scale = 1.0f;         // Scores are multiplied by it before the softmax: 1 / sqrt(head_dim).
  std::span<float> scratch;   // scratch_floats(length, head_dim) of them, 64-byte aligned.
  // `scratch` is as the call before has left it, which had the same key and value (and position
  // rows): they are packed already. For queries of several heads that share a key head.
  bool scratch_has_keys = false;
  // What the next call reads, where that is known: the caches are asked for it meanwhile. Advice,
  // which changes no value.
  HeadRows<T> next;
};

// softmax(query x key^T * scale) x value, sums and softmax in f32.
template <typename T>
struct AttentionKernels {
  void (*attention)(const AttentionArgs<T>& args) = nullptr;
  size_t (*scratch_floats)(size_t length, size_t head_dim) = nullptr;
};

// Which keys a query sees, and what is done to a score, already scaled, before the softmax: first
// the soft-cap, then the additions.
template <typename T>
struct AttentionPattern {
  static constexpr size_t kAll = size_t{1} << 40;

  // Query i sees keys i - left to i + right, both included. Others are left out, not computed with
  // a large negative number.
  size_t left = kAll;
  size_t right = kAll;

  float softcap = 0.0f;  // Above 0: score = softcap * tanh(score / softcap).

  // Of this head, by distance (T5, ALiBi): distance_bias[j - i] is added for query i and key j.
  const float* distance_bias = nullptr;

  // Of this head, DeBERTa's disentangled positions (He et al., 2021): with r =
  // position_rows[i - j], scale * (query_i . position_key_r + key_j . position_query_r) is added.
  // Either may be empty, [0, head_dim].
  MatrixView<const T> position_key;        // [rows, head_dim]
  MatrixView<const T> position_query;      // [rows, head_dim]
  const int32_t* position_rows = nullptr;  // Never falls from one distance to the next.
};

// Attention with a pattern; sums, bounds and rounding as without.
template <typename T>
struct PatternedAttentionKernels {
  void (*attention)(const AttentionArgs<T>& args, const AttentionPattern<T>& pattern) = nullptr;
  // `position_rows`: the most rows of position_key and position_query that are in use.
  size_t (*scratch_floats)(size_t length, size_t head_dim, size_t position_rows) = nullptr;
};

struct NormArgs {
  MatrixView<const float> input;  // [m, size]
  MatrixView<float> output;       // [m, size]; may be the input.
  const float* weight = nullptr;  // [size]
  const float* bias = nullptr;    // [size], or none.
  float eps = 0.0f;
  bool add = false;  // output += the result; not in place.
};

// Rotary positions (Su et al., 2021), in place, of rows that are heads side by side: with half =
// rotary_dim / 2, elements d and d + half of a head turn by the angle of row and d; those from
// rotary_dim on stay.
struct RotaryArgs {
  MatrixView<float> rows;           // [m, num_heads * head_dim]
  MatrixView<const float> cos_sin;  // [m, rotary_dim]: the cosines of half angles, then the sines
  size_t head_dim = 0;
  size_t rotary_dim = 0;  // Even.
};

struct Kernels {
  Isa isa = Isa::kScalar;
  Precision requested = Precision::kF32;
  // What the products run in: f32 where bf16x3 or int16 was asked for and f32 is both faster and
  // more exact.
  Precision precision = Precision::kF32;
  LinearKernels linear;

  // exp has a relative error of at most 2e-7.
  AttentionKernels<float> attention;
  // Products in bf16, the weights of the softmax rounded to it, exp within 8e-5. Not there
  // (nullptr) where the tier or the precision takes the one above.
  AttentionKernels<Bf16> attention_bf16;
  // There wherever the ones above are.
  PatternedAttentionKernels<float> patterned_attention;
  PatternedAttentionKernels<Bf16> patterned_attention_bf16;

  // (x - mean) / sqrt(variance + eps) * weight + bias by row; variance as the mean of squared
  // differences.
  void (*layer_norm)(const NormArgs& args) = nullptr;
  // x / sqrt(mean of squares + eps) * weight by row (Zhang and Sennrich, 2019).
  void (*rms_norm)(const NormArgs& args) = nullptr;

  void (*rotate)(const RotaryArgs& args) = nullptr;

  // Rounds to nearest even, row by row; a zero after an odd last column.
  void (*to_bf16)(MatrixView<const float> from, MatrixView<Bf16> to) = nullptr;
};

inline size_t NumPanels(const Kernels& kernels, size_t n) {
  return (n + kernels.linear.panel_width - 1) / kernels.linear.panel_width;
}
inline size_t NumPanels(const Kernels& kernels, const PackedLinear& linear) {
  const size_t half = kernels.linear.panel_width / 2;
  return linear.gated ? (linear.n + half - 1) / half : NumPanels(kernels, linear.n);
}
inline size_t PackedBytes(const Kernels& kernels, size_t n, size_t k) {
  return NumPanels(kernels, n) * kernels.linear.panel_bytes(k);
}
// Of one that is still to be packed.
inline size_t PackedBytes(const Kernels& kernels, const PackedLinear& linear) {
  return NumPanels(kernels, linear) * kernels.linear.panel_bytes(linear.k);
}

// The reference for a precision other than kAuto.
Kernels ScalarKernels(Precision precision);
// Each replaces, for below.requested, what it does better.
Kernels WithAvx2(Kernels below);
Kernels WithAvx2Vnni(Kernels below);
Kernels WithAvx512(Kernels below);
Kernels WithAvx512Vnni(Kernels below);
Kernels WithAvx512Bf16(Kernels below);
Kernels WithAmx(Kernels below);
Kernels WithNeon(Kernels below);
Kernels WithNeonDot(Kernels below);

// Every tier, lowest first, and whether it can run here.
std::vector<IsaStatus> ListIsas();

struct IsaChoice {
  Isa isa;
  std::string reason;  // "requested", "AKIN_ISA", or why auto took it.
};

// The tier for `isa`: kAuto takes AKIN_ISA from the environment, or else the fastest that the CPU
// and the operating system support: the highest, but for avx512-bf16 where its products do not pay
// (machine_peak.h). Error: InvalidInput when the tier cannot run here, saying whether the CPU or
// the build lacks it.
Result<IsaChoice> ChooseIsa(Isa isa);

// The precisions whose products are faster than f32's on a tier of this machine, fastest first, as
// far as each is nearer to f32 than those before it.
std::vector<Precision> FasterThanF32(Isa isa);

// The table of that tier for `precision`, which is not kAuto.
Result<Kernels> SelectKernels(Isa isa, Precision precision = Precision::kF32);

}  // namespace akin::kernels

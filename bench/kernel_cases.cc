#include "kernel_cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>

#include "base/aligned_buffer.h"
#include "encoder/activations.h"
#include "kernels/integers.h"

namespace akin::bench {
namespace {

using encoder::Activations;
using kernels::Epilogue;
using kernels::Kernels;

constexpr size_t kHidden = 384, kHeadDim = 32, kIntermediate = 1536;

// The same values in every run and on every machine.
void Fill(MatrixView<float> matrix, unsigned seed, float scale) {
  std::mt19937 generator(seed);
  for (size_t r = 0; r < matrix.rows(); ++r) {
    for (float& x : matrix.row(r))
      x = scale * (static_cast<float>(generator() >> 8) * 0x1p-23f - 1.0f);
  }
}

class OwnedMatrix {
 public:
  OwnedMatrix(size_t rows, size_t cols, unsigned seed, float scale = 1.0f)
      : values_(rows * cols), view_(values_.data(), rows, cols) {
    Fill(view_, seed, scale);
  }
  MatrixView<float> view() const { return view_; }

 private:
  std::vector<float> values_;
  MatrixView<float> view_;
};

// `weight` [n, k] and `bias` [1, n] in the table's layout.
class PackedWeights {
 public:
  PackedWeights(const Kernels& kernels, const OwnedMatrix& weight, const OwnedMatrix& bias,
                size_t copies)
      : n_(weight.view().rows()),
        k_(weight.view().cols()),
        bytes_(kernels::PackedBytes(kernels, n_, k_)),
        memory_(bytes_ * copies) {
    const size_t width = kernels.linear.panel_width, panels = kernels::NumPanels(kernels, n_);
    std::byte* panel = memory_.As<std::byte>().data();
    for (size_t p = 0; p < panels; ++p, panel += kernels.linear.panel_bytes(k_)) {
      std::vector<float> rows(width * k_, 0.0f), panel_bias(width, 0.0f);
      const size_t first = p * width, count = std::min(width, n_ - first);
      for (size_t j = 0; j < count; ++j) {
        std::ranges::copy(weight.view().row(first + j),
                          rows.begin() + static_cast<ptrdiff_t>(j * k_));
      }
      std::copy_n(bias.view().data() + first, count, panel_bias.begin());
      kernels.linear.pack_panel({rows.data(), width, k_}, panel_bias, panel);
    }
    for (size_t copy = 1; copy < copies; ++copy)
      std::copy_n(memory_.As<std::byte>().data(), bytes_, panel + (copy - 1) * bytes_);
  }
  kernels::PackedLinear packed(size_t copy) const {
    return {.panels = memory_.As<std::byte>().data() + copy * bytes_, .n = n_, .k = k_};
  }

 private:
  size_t n_, k_;
  size_t bytes_;  // Of a copy.
  AlignedBuffer memory_;
};

// Activations with memory of their own.
class OwnedActivations {
 public:
  OwnedActivations(size_t rows, size_t cols, Activations::Written written, const Kernels& kernels)
      : activations_(rows, cols, written, kernels), memory_(activations_.bytes()) {
    std::ranges::fill(memory_.As<std::byte>(), std::byte{});
    activations_.Place(memory_.As<std::byte>().data());
  }
  const Activations& get() const { return activations_; }

 private:
  Activations activations_;
  AlignedBuffer memory_;
};

std::string Difference(double error, double bound, size_t row, size_t column) {
  if (error <= bound) return {};  // A NaN is not.
  std::ostringstream out;
  out << "row " << row << ", column " << column << " is " << error
      << " away from the scalar table, "
      << "allowed are " << bound;
  return out.str();
}

// How far two tiers may be apart, as a share of the sum of magnitudes: where one of them rounds its
// operands to bf16 and the other does not, by that; two ways to quantize differ by a step at ties.
double OperandTolerance(Precision precision) {
  switch (precision) {
    case Precision::kAuto:
    case Precision::kF16:  // Of no kernel.
    case Precision::kF32: return 0;
    case Precision::kBf16x3: return 1.0 / (1 << 14);
    case Precision::kBf16:
    case Precision::kW8: return 1.0 / 128;
    case Precision::kInt16: return 1.0 / 1024;
    case Precision::kInt8: return 1.0 / 64;
  }
  return 0;
}

struct LinearShape {
  const char* name;
  size_t n, k;
  Epilogue epilogue;
};
constexpr LinearShape kShapes[] = {{"qkv", 3 * kHidden, kHidden, Epilogue::kStore},
                                   {"attention_out", kHidden, kHidden, Epilogue::kAdd},
                                   {"ffn_up_gelu", kIntermediate, kHidden, Epilogue::kGelu},
                                   {"ffn_up_no_gelu", kIntermediate, kHidden, Epilogue::kStore},
                                   {"ffn_down", kHidden, kIntermediate, Epilogue::kAdd}};

struct AttentionShape {
  size_t length;
  size_t head_dim = kHeadDim;
  size_t heads = 1;
};

class LinearWork : public KernelWork {
 public:
  // Every run takes the next of so many `copies` of the weights.
  LinearWork(const Kernels& kernels, const LinearShape& shape, size_t m, size_t copies = 1)
      : kernels_(kernels),
        shape_(shape),
        m_(m),
        copies_(copies),
        rows_(m, shape.k, 1),
        weight_(shape.n, shape.k, 2, 0.1f),
        bias_(1, shape.n, 3),
        packed_(kernels, weight_, bias_, copies),
        input_(m, shape.k, Activations::Written::kF32, kernels),
        output_(m, shape.n, 0, 0.0f) {
    for (size_t r = 0; r < m; ++r)
      std::ranges::copy(rows_.view().row(r), input_.get().f32(m).row(r).begin());
    if (input_.get().needs_preparing()) input_.get().Prepare(kernels, 0, m);
  }

  void Run() override {
    copy_ = (copy_ + 1) % copies_;
    kernels_.linear.linear({.input = input_.get().operand(m_),
                            .linear = packed_.packed(copy_),
                            .output = {.f32 = output_.view(), .bf16 = {}},
                            .epilogue = shape_.epilogue,
                            .first_panel = 0,
                            .last_panel = kernels::NumPanels(kernels_, shape_.n)});
  }

  std::string Check() override {
    LinearWork scalar(kernels::ScalarKernels(kernels_.requested), shape_, m_);
    scalar.Run();
    Fill(output_.view(), 0, 0.0f);
    Run();
    for (size_t r = 0; r < m_; ++r) {
      for (size_t c = 0; c < shape_.n; ++c) {
        const double error = std::abs(double{output_.view()(r, c)} - scalar.output_.view()(r, c));
        std::string difference = Difference(error, Bound(r, c), r, c);
        if (!difference.empty()) return difference;
      }
    }
    return {};
  }

 private:
  // Two sums of k products in any order, and the epilogue's own rounding.
  double Bound(size_t row, size_t column) const {
    double magnitude = std::abs(bias_.view()(0, column));
    for (size_t i = 0; i < shape_.k; ++i)
      magnitude += std::abs(double{rows_.view()(row, i)} * weight_.view()(column, i));
    constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
    const double sums = (2.0 * static_cast<double>(shape_.k) + 8.0) * kEpsilon;
    return (sums + OperandTolerance(kernels_.requested)) * magnitude + 2e-6;
  }

  const Kernels kernels_;
  const LinearShape shape_;
  const size_t m_;
  const size_t copies_;
  size_t copy_ = 0;
  OwnedMatrix rows_, weight_, bias_;
  PackedWeights packed_;
  OwnedActivations input_;
  OwnedMatrix output_;
};

bool HasRowsOfIntegers(const Kernels& kernels) {
  return kernels.linear.operand == kernels::OperandKind::kQuantized &&
         (kernels.precision == Precision::kInt8 || kernels.precision == Precision::kInt16);
}

// Rows of f32 into rows of integers.
class QuantizeWork : public KernelWork {
 public:
  QuantizeWork(const Kernels& kernels, size_t m, size_t k)
      : kernels_(kernels),
        shape_(k, kernels.linear.integer_row == kernels::IntegerRow::kWide ? 2 : 1),
        rows_(m, k, 8),
        operand_(m * shape_.row_bytes()) {}

  void Run() override {
    kernels_.linear.quantize_rows(rows_.view(), operand_.As<std::byte>().data());
  }

  std::string Check() override {
    QuantizeWork scalar(kernels::ScalarKernels(kernels_.requested), rows_.view().rows(), shape_.k);
    scalar.Run();
    Run();
    for (size_t r = 0; r < rows_.view().rows(); ++r) {
      for (size_t c = 0; c < shape_.k; ++c) {
        // A step at a tie.
        const double error = std::abs(ValueAt(r, c) - scalar.ValueAt(r, c));
        std::string difference = Difference(error, 1.01 * ScaleOf(r, c), r, c);
        if (!difference.empty()) return difference;
      }
    }
    return {};
  }

 private:
  const std::byte* Row(size_t row) const {
    return operand_.As<std::byte>().data() + row * shape_.row_bytes();
  }

  double ScaleOf(size_t row, size_t column) const {
    float scale;
    std::memcpy(&scale, Row(row) + shape_.scales_offset() + column / shape_.group * sizeof(float),
                sizeof(float));
    return scale;
  }

  double ValueAt(size_t row, size_t column) const {
    const std::byte* const values = Row(row);
    const double scale = ScaleOf(row, column);
    switch (kernels_.linear.integer_row) {
      case kernels::IntegerRow::kUnsigned:
        return scale * (std::to_integer<int>(values[column]) - int{kernels::IntegerShape::kZero});
      case kernels::IntegerRow::kSigned:
        return scale * static_cast<int8_t>(std::to_integer<uint8_t>(values[column]));
      case kernels::IntegerRow::kWide: break;
    }
    int16_t value;
    std::memcpy(&value, values + column * sizeof(int16_t), sizeof(int16_t));
    return scale * value;
  }

  const Kernels kernels_;
  const kernels::IntegerShape shape_;
  OwnedMatrix rows_;
  AlignedBuffer operand_;
};

// The heads of one sequence that share keys and values; queries, key and value side by side as the
// encoder has them.
template <typename T>
class AttentionWork : public KernelWork {
 public:
  AttentionWork(const Kernels& kernels, const kernels::AttentionKernels<T>& attention,
                const AttentionShape& shape)
      : kernels_(kernels),
        attention_(attention),
        shape_(shape),
        length_(shape.length),
        rows_(shape.length, width(), 4),
        typed_(shape.length * width()),
        context_(shape.length, shape.heads * shape.head_dim, 0, 0.0f),
        scratch_(attention.scratch_floats(shape.length, shape.head_dim) * sizeof(float)) {
    if constexpr (std::is_same_v<T, float>) {
      std::copy_n(rows_.view().data(), typed_.size(), typed_.begin());
    } else {
      kernels.to_bf16(rows_.view(), {typed_.data(), length_, width()});
    }
  }

  void Run() override {
    const MatrixView<const T> qkv(typed_.data(), length_, width());
    const size_t dim = shape_.head_dim, keys = shape_.heads * dim;
    for (size_t head = 0; head < shape_.heads; ++head) {
      attention_.attention(
          {.query = qkv.Columns(head * dim, dim),
           .key = qkv.Columns(keys, dim),
           .value = qkv.Columns(keys + dim, dim),
           .context = {.f32 = context_.view().Columns(head * dim, dim), .bf16 = {}},
           .scale = 1.0f / std::sqrt(static_cast<float>(dim)),
           .scratch = scratch_.As<float>(),
           .scratch_has_keys = head > 0});
    }
  }

  std::string Check() override {
    const Kernels table = kernels::ScalarKernels(Precision::kF32);
    AttentionWork<float> scalar(table, table.attention, shape_);
    scalar.Run();
    Run();
    const double bound = std::is_same_v<T, float> ? 1e-5 : 2e-2;  // Of values up to 1.
    for (size_t r = 0; r < length_; ++r) {
      for (size_t c = 0; c < shape_.heads * shape_.head_dim; ++c) {
        const double error = std::abs(double{context_.view()(r, c)} - scalar.context()(r, c));
        std::string difference = Difference(error, bound, r, c);
        if (!difference.empty()) return difference;
      }
    }
    return {};
  }

  MatrixView<float> context() const { return context_.view(); }

 private:
  const Kernels kernels_;
  size_t width() const { return (shape_.heads + 2) * shape_.head_dim; }

  const kernels::AttentionKernels<T> attention_;
  const AttentionShape shape_;
  const size_t length_;
  OwnedMatrix rows_;
  std::vector<T> typed_;
  OwnedMatrix context_;
  AlignedBuffer scratch_;
};

class LayerNormWork : public KernelWork {
 public:
  LayerNormWork(const Kernels& kernels, size_t m)
      : kernels_(kernels), hidden_(m, kHidden, 5), weight_(1, kHidden, 6), bias_(1, kHidden, 7) {}

  // In place: later runs normalize what is normalized already, which takes the same steps.
  void Run() override {
    kernels_.layer_norm({.input = hidden_.view(),
                         .output = hidden_.view(),
                         .weight = weight_.view().data(),
                         .bias = bias_.view().data(),
                         .eps = 1e-12f});
  }

  std::string Check() override {
    Fill(hidden_.view(), 5, 1.0f);
    LayerNormWork scalar(kernels::ScalarKernels(Precision::kF32), hidden_.view().rows());
    scalar.Run();
    Run();
    for (size_t r = 0; r < hidden_.view().rows(); ++r) {
      for (size_t c = 0; c < kHidden; ++c) {
        const double error = std::abs(double{hidden_.view()(r, c)} - scalar.hidden_.view()(r, c));
        std::string difference = Difference(error, 2e-5, r, c);
        if (!difference.empty()) return difference;
      }
    }
    return {};
  }

 private:
  const Kernels kernels_;
  OwnedMatrix hidden_, weight_, bias_;
};

std::unique_ptr<KernelWork> MakeAttention(const Kernels& kernels, const AttentionShape& shape) {
  if (kernels.attention_bf16.attention != nullptr)
    return std::make_unique<AttentionWork<Bf16>>(kernels, kernels.attention_bf16, shape);
  return std::make_unique<AttentionWork<float>>(kernels, kernels.attention, shape);
}

}  // namespace

std::vector<KernelCase> KernelCases() {
  constexpr size_t kRows[] = {1, 5, 14, 64, 512};
  std::vector<KernelCase> cases;
  for (const LinearShape& shape : kShapes) {
    for (const size_t m : kRows) {
      cases.push_back({.name = std::string("linear/") + shape.name + "/m:" + std::to_string(m),
                       .operations = 2.0 * static_cast<double>(m * shape.n * shape.k),
                       .kind = KernelKind::kProduct,
                       .make = [shape, m](const Kernels& kernels) -> std::unique_ptr<KernelWork> {
                         return std::make_unique<LinearWork>(kernels, shape, m);
                       }});
    }
  }
  // Weights that the L2 cache has lost since the last run, as a short text finds them: of 24
  // layers.
  for (const size_t m : {5, 9, 14}) {
    cases.push_back({.name = "far_linear/ffn_up_gelu/m:" + std::to_string(m),
                     .operations = 2.0 * static_cast<double>(m * kIntermediate * kHidden),
                     .kind = KernelKind::kProduct,
                     .make = [m](const Kernels& kernels) -> std::unique_ptr<KernelWork> {
                       constexpr LinearShape kUp{"", kIntermediate, kHidden, Epilogue::kGelu};
                       return std::make_unique<LinearWork>(kernels, kUp, m, 24);
                     }});
  }
  for (const size_t k : {kHidden, kIntermediate}) {
    for (const size_t m : {14, 512}) {
      cases.push_back({.name = "quantize/k:" + std::to_string(k) + "/m:" + std::to_string(m),
                       .kind = KernelKind::kQuantize,
                       .make = [m, k](const Kernels& kernels) -> std::unique_ptr<KernelWork> {
                         return std::make_unique<QuantizeWork>(kernels, m, k);
                       }});
    }
  }
  const auto add_attention = [&](const std::string& name, const AttentionShape& shape) {
    cases.push_back({.name = name + "/length:" + std::to_string(shape.length),
                     .operations = 4.0 * static_cast<double>(shape.length * shape.length *
                                                             shape.head_dim * shape.heads),
                     .make = [shape](const Kernels& k) { return MakeAttention(k, shape); }});
  };
  for (const size_t length : {5, 14, 64, 128, 512}) add_attention("attention", {.length = length});
  // Two heads of Qwen3.
  for (const size_t length : {10, 120, 500})
    add_attention("grouped_attention", {.length = length, .head_dim = 128, .heads = 2});
  for (const size_t m : {14, 512}) {
    cases.push_back({.name = "layer_norm/m:" + std::to_string(m),
                     .make = [m](const Kernels& kernels) -> std::unique_ptr<KernelWork> {
                       return std::make_unique<LayerNormWork>(kernels, m);
                     }});
  }
  return cases;
}

bool HasOwnForm(const KernelCase& kernel_case, const Kernels& kernels) {
  if (kernels.precision != kernels.requested) return false;
  switch (kernel_case.kind) {
    case KernelKind::kProduct: return true;
    case KernelKind::kQuantize: return HasRowsOfIntegers(kernels);
    case KernelKind::kOther: break;
  }
  return kernels.requested == Precision::kF32 ||
         (kernels.requested == Precision::kBf16 && kernels.attention_bf16.attention != nullptr);
}

std::string NameIn(Precision precision, const KernelCase& kernel_case) {
  return std::string(PrecisionName(precision)) + '/' + kernel_case.name;
}

}  // namespace akin::bench

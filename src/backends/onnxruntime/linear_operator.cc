#include "backends/onnxruntime/linear_operator.h"

#include <algorithm>
#include <array>
#include <new>
#include <span>

namespace akin::backends::onnxruntime {
namespace {

// Threads divide rows where each gets so many: more than one tile of a product. Else they divide
// the columns, so that each weight is read once.
constexpr size_t kLeastRowsOfThread = 32;

}  // namespace

// The layers of one node of a session. ONNX Runtime calls it from several runs at once.
class LinearOperator::Kernel {
 public:
  using Layers = std::span<const LinearWeights::Layer* const>;

  Kernel(const LinearOperator& op, Layers layers)
      : api_(op.api_),
        kernels_(op.weights_.kernels()),
        num_layers_(layers.size()),
        num_threads_(op.num_threads_) {
    std::ranges::copy(layers, layers_.begin());
  }

  OrtStatus* Compute(OrtKernelContext* context) const noexcept {
    InputTensor input;
    if (OrtStatus* status = ReadInput(api_, context, 0, input)) return status;
    const size_t k = layers_[0]->linear.k;
    if (!input.is_there || input.dim(input.rank - 1) != k)
      return api_.CreateStatus(ORT_INVALID_ARGUMENT, "akin:Linear: rows of another width");
    const kernels::Operand rows = {reinterpret_cast<const std::byte*>(input.data),
                                   input.elements / k, k * sizeof(float)};
    Work work{.kernels = &kernels_, .num_layers = num_layers_, .parts = num_threads_};
    for (size_t i = 0; i < num_layers_; ++i) {
      const LinearWeights::Layer& layer = *layers_[i];
      const size_t n = layer.linear.n;
      input.dims[input.rank - 1] = static_cast<int64_t>(n);
      float* output = nullptr;
      if (OrtStatus* status =
              MakeOutput(api_, context, i, std::span(input.dims).first(input.rank), output))
        return status;
      work.args[i] = {.input = rows,
                      .linear = layer.linear,
                      .output = {.f32 = {output, rows.rows, n}, .bf16 = {}},
                      .epilogue = layer.epilogue,
                      .first_panel = 0,
                      .last_panel = kernels::NumPanels(kernels_, layer.linear)};
    }
    if (rows.rows == 0) return nullptr;
    work.by_rows = rows.rows >= kLeastRowsOfThread * num_threads_;
    if (num_threads_ == 1) {
      Work::Part(&work, 0);
      return nullptr;
    }
    return api_.KernelContext_ParallelFor(context, Work::Part, work.parts, 0, &work);
  }

 private:
  struct Work {
    const kernels::Kernels* kernels;
    std::array<kernels::LinearArgs, kMostOutputs> args{};
    size_t num_layers;
    size_t parts;
    bool by_rows = false;

    static void Part(void* data, size_t part) {
      const Work& work = *static_cast<const Work*>(data);
      work.by_rows ? work.Rows(part) : work.Columns(part);
    }

    std::span<const kernels::LinearArgs> Layers() const { return {args.data(), num_layers}; }

    void Rows(size_t part) const {
      const size_t rows = args[0].input.rows;
      const size_t begin = rows * part / parts, end = rows * (part + 1) / parts;
      if (begin == end) return;
      for (kernels::LinearArgs layer : Layers()) {
        layer.input = layer.input.Rows(begin, end - begin);
        layer.output = layer.output.Rows(begin, end - begin);
        kernels->linear.linear(layer);
      }
    }

    // Of the panels of all layers, one layer's behind the other's.
    void Columns(size_t part) const {
      size_t panels = 0;
      for (const kernels::LinearArgs& layer : Layers()) panels += layer.last_panel;
      const size_t begin = panels * part / parts, end = panels * (part + 1) / parts;
      size_t before = 0;
      for (kernels::LinearArgs layer : Layers()) {
        const size_t after = before + layer.last_panel;
        layer.first_panel = std::clamp(begin, before, after) - before;
        layer.last_panel = std::clamp(end, before, after) - before;
        if (layer.first_panel < layer.last_panel) kernels->linear.linear(layer);
        before = after;
      }
    }
  };

  const OrtApi& api_;
  const kernels::Kernels& kernels_;
  std::array<const LinearWeights::Layer*, kMostOutputs> layers_{};
  const size_t num_layers_;
  const size_t num_threads_;
};

LinearOperator::LinearOperator(const OrtApi& api_of_library, const LinearWeights& weights,
                               int num_threads)
    : OrtCustomOp(PlainOperator()),
      api_(api_of_library),
      weights_(weights),
      num_threads_(static_cast<size_t>(num_threads)) {
  GetName = [](const OrtCustomOp*) { return kLinearOperator; };
  GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return kMostOutputs; };
  GetOutputCharacteristic = [](const OrtCustomOp*, size_t index) {
    return index == 0 ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
  };
  CreateKernelV2 = [](const OrtCustomOp* base, const OrtApi* api, const OrtKernelInfo* info,
                      void** kernel) -> OrtStatus* {
    const auto& op = *static_cast<const LinearOperator*>(base);
    std::array<int64_t, kMostOutputs> numbers{};
    size_t count = numbers.size();  // Fails where there are more.
    if (OrtStatus* status =
            api->KernelInfoGetAttributeArray_int64(info, kLayersAttribute, numbers.data(), &count))
      return status;
    const auto& all = op.weights_.layers();
    std::array<const LinearWeights::Layer*, kMostOutputs> layers{};
    for (size_t i = 0; i < count; ++i) {
      if (numbers[i] < 0 || static_cast<size_t>(numbers[i]) >= all.size())
        return api->CreateStatus(ORT_INVALID_ARGUMENT, "akin:Linear: no such layer");
      layers[i] = &all[static_cast<size_t>(numbers[i])];
      if (layers[i]->linear.k != layers[0]->linear.k)
        return api->CreateStatus(ORT_INVALID_ARGUMENT, "akin:Linear: layers of several widths");
    }
    if (count == 0) return api->CreateStatus(ORT_INVALID_ARGUMENT, "akin:Linear: no layer");
    *kernel = new (std::nothrow) Kernel(op, {layers.data(), count});
    if (*kernel == nullptr) return api->CreateStatus(ORT_FAIL, "akin:Linear: out of memory");
    return nullptr;
  };
  KernelComputeV2 = [](void* kernel, OrtKernelContext* context) -> OrtStatus* {
    return static_cast<const Kernel*>(kernel)->Compute(context);
  };
  KernelDestroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
}

}  // namespace akin::backends::onnxruntime

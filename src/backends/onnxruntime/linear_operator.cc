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
constexpr size_t kMaxRank = 8;

}  // namespace

// The layers of one node of a session. ONNX Runtime calls it from several runs at once.
class LinearOperator::Kernel {
 public:
  using Layers = std::span<const LinearWeights::Layer* const>;

  Kernel(const LinearOperator& op, Layers layers)
      : api_(op.library_.api()),
        kernels_(op.weights_.kernels()),
        num_layers_(layers.size()),
        num_threads_(static_cast<size_t>(op.num_threads_)) {
    std::ranges::copy(layers, layers_.begin());
  }

  OrtStatus* Compute(OrtKernelContext* context) const noexcept {
    const OrtValue* input = nullptr;
    if (OrtStatus* status = api_.KernelContext_GetInput(context, 0, &input)) return status;
    std::array<int64_t, kMaxRank> dims{};
    size_t rank = 0, elements = 0;
    if (OrtStatus* status = ReadShape(input, dims, rank, elements)) return status;
    const size_t k = layers_[0]->linear.k;
    if (dims[rank - 1] != static_cast<int64_t>(k))
      return api_.CreateStatus(ORT_INVALID_ARGUMENT, "akin:Linear: rows of another width");
    void* from = nullptr;
    if (OrtStatus* status = api_.GetTensorMutableData(const_cast<OrtValue*>(input), &from))
      return status;
    const kernels::Operand rows = {static_cast<const std::byte*>(from), elements / k,
                                   k * sizeof(float)};
    Work work{.kernels = &kernels_, .num_layers = num_layers_, .parts = num_threads_};
    for (size_t i = 0; i < num_layers_; ++i) {
      const LinearWeights::Layer& layer = *layers_[i];
      const size_t n = layer.linear.n;
      dims[rank - 1] = static_cast<int64_t>(n);
      OrtValue* output = nullptr;
      void* to = nullptr;
      if (OrtStatus* status = api_.KernelContext_GetOutput(context, i, dims.data(), rank, &output))
        return status;
      if (OrtStatus* status = api_.GetTensorMutableData(output, &to)) return status;
      work.args[i] = {.input = rows,
                      .linear = layer.linear,
                      .output = {.f32 = {static_cast<float*>(to), rows.rows, n}, .bf16 = {}},
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

  OrtStatus* ReadShape(const OrtValue* value, std::array<int64_t, kMaxRank>& dims, size_t& rank,
                       size_t& elements) const noexcept {
    OrtTensorTypeAndShapeInfo* info = nullptr;
    if (OrtStatus* status = api_.GetTensorTypeAndShape(value, &info)) return status;
    const Handle<OrtTensorTypeAndShapeInfo> owner(info, api_.ReleaseTensorTypeAndShapeInfo);
    if (OrtStatus* status = api_.GetDimensionsCount(info, &rank)) return status;
    if (rank == 0 || rank > kMaxRank)
      return api_.CreateStatus(ORT_INVALID_ARGUMENT, "akin:Linear: an input of no such rank");
    if (OrtStatus* status = api_.GetDimensions(info, dims.data(), rank)) return status;
    return api_.GetTensorShapeElementCount(info, &elements);
  }

  const OrtApi& api_;
  const kernels::Kernels& kernels_;
  std::array<const LinearWeights::Layer*, kMostOutputs> layers_{};
  const size_t num_layers_;
  const size_t num_threads_;
};

LinearOperator::LinearOperator(const Library& library, const LinearWeights& weights,
                               int num_threads)
    : OrtCustomOp{}, library_(library), weights_(weights), num_threads_(num_threads) {
  version = 17;  // With which the newest field that is set came.
  GetName = [](const OrtCustomOp*) { return kLinearOperator; };
  GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  GetInputTypeCount = [](const OrtCustomOp*) -> size_t { return 1; };
  GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return kMostOutputs; };
  GetInputType = GetOutputType = [](const OrtCustomOp*, size_t) {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  };
  GetInputCharacteristic = [](const OrtCustomOp*, size_t) { return INPUT_OUTPUT_REQUIRED; };
  GetOutputCharacteristic = [](const OrtCustomOp*, size_t index) {
    return index == 0 ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
  };
  GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
  GetVariadicInputMinArity = GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 0; };
  GetVariadicInputHomogeneity = GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 0; };
  GetStartVersion = [](const OrtCustomOp*) { return 1; };
  GetEndVersion = [](const OrtCustomOp*) { return 1; };
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

Result<std::unique_ptr<LinearOperator>> LinearOperator::Create(const Library& library,
                                                               const LinearWeights& weights,
                                                               int num_threads) {
  const OrtApi& api = library.api();
  std::unique_ptr<LinearOperator> made(new LinearOperator(library, weights, num_threads));
  OrtCustomOpDomain* domain = nullptr;
  AKIN_TRY(library.Check(api.CreateCustomOpDomain(kLinearDomain, &domain), ErrorCode::kInternal,
                         "an operator of ONNX Runtime"));
  made->domain_ = {domain, api.ReleaseCustomOpDomain};
  AKIN_TRY(library.Check(api.CustomOpDomain_Add(domain, made.get()), ErrorCode::kInternal,
                         "an operator of ONNX Runtime"));
  return made;
}

Status LinearOperator::AddTo(OrtSessionOptions* options) const {
  return library_.Check(library_.api().AddCustomOpDomain(options, domain_.get()),
                        ErrorCode::kInternal, "an operator of ONNX Runtime");
}

}  // namespace akin::backends::onnxruntime

#include "backends/onnxruntime/linear_operator.h"

#include <algorithm>
#include <array>
#include <new>

namespace akin::backends::onnxruntime {
namespace {

// Threads divide rows where each gets so many: more than one tile of a product. Else they divide
// the columns, so that each weight is read once.
constexpr size_t kLeastRowsOfThread = 32;
constexpr size_t kMaxRank = 8;

}  // namespace

// One layer of a session. ONNX Runtime calls it from several runs at once.
class LinearOperator::Kernel {
 public:
  Kernel(const LinearOperator& op, const LinearWeights::Layer& layer)
      : api_(op.library_.api()),
        kernels_(op.weights_.kernels()),
        layer_(layer),
        num_threads_(static_cast<size_t>(op.num_threads_)) {}

  OrtStatus* Compute(OrtKernelContext* context) const noexcept {
    const OrtValue* input = nullptr;
    if (OrtStatus* status = api_.KernelContext_GetInput(context, 0, &input)) return status;
    std::array<int64_t, kMaxRank> dims{};
    size_t rank = 0, elements = 0;
    if (OrtStatus* status = ReadShape(input, dims, rank, elements)) return status;
    const size_t k = layer_.linear.k, n = layer_.linear.n;
    if (dims[rank - 1] != static_cast<int64_t>(k))
      return api_.CreateStatus(ORT_INVALID_ARGUMENT, "akin:Linear: rows of another width");
    void *from = nullptr, *to = nullptr;
    if (OrtStatus* status = api_.GetTensorMutableData(const_cast<OrtValue*>(input), &from))
      return status;
    dims[rank - 1] = static_cast<int64_t>(n);
    OrtValue* output = nullptr;
    if (OrtStatus* status = api_.KernelContext_GetOutput(context, 0, dims.data(), rank, &output))
      return status;
    if (OrtStatus* status = api_.GetTensorMutableData(output, &to)) return status;
    const size_t rows = elements / k;
    if (rows == 0) return nullptr;
    Work work{.kernels = &kernels_,
              .args = {.input = {static_cast<const std::byte*>(from), rows, k * sizeof(float)},
                       .linear = layer_.linear,
                       .output = {.f32 = {static_cast<float*>(to), rows, n}, .bf16 = {}},
                       .epilogue = layer_.epilogue,
                       .first_panel = 0,
                       .last_panel = kernels::NumPanels(kernels_, layer_.linear)},
              .parts = num_threads_,
              .by_rows = rows >= kLeastRowsOfThread * num_threads_};
    if (num_threads_ == 1) {
      Work::Part(&work, 0);
      return nullptr;
    }
    return api_.KernelContext_ParallelFor(context, Work::Part, work.parts, 0, &work);
  }

 private:
  struct Work {
    const kernels::Kernels* kernels;
    kernels::LinearArgs args;
    size_t parts;
    bool by_rows;

    static void Part(void* data, size_t part) {
      const Work& work = *static_cast<const Work*>(data);
      kernels::LinearArgs args = work.args;
      const size_t count = work.by_rows ? args.input.rows : args.last_panel;
      const size_t begin = count * part / work.parts, end = count * (part + 1) / work.parts;
      if (begin == end) return;
      if (work.by_rows) {
        args.input = args.input.Rows(begin, end - begin);
        args.output = args.output.Rows(begin, end - begin);
      } else {
        args.first_panel = begin;
        args.last_panel = end;
      }
      work.kernels->linear.linear(args);
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
  const LinearWeights::Layer layer_;
  const size_t num_threads_;
};

LinearOperator::LinearOperator(const Library& library, const LinearWeights& weights,
                               int num_threads)
    : OrtCustomOp{}, library_(library), weights_(weights), num_threads_(num_threads) {
  version = 17;  // With which the newest field that is set came.
  GetName = [](const OrtCustomOp*) { return kLinearOperator; };
  GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  GetInputTypeCount = GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return 1; };
  GetInputType = GetOutputType = [](const OrtCustomOp*, size_t) {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  };
  GetInputCharacteristic =
      GetOutputCharacteristic = [](const OrtCustomOp*, size_t) { return INPUT_OUTPUT_REQUIRED; };
  GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
  GetVariadicInputMinArity = GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 0; };
  GetVariadicInputHomogeneity = GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 0; };
  GetStartVersion = [](const OrtCustomOp*) { return 1; };
  GetEndVersion = [](const OrtCustomOp*) { return 1; };
  CreateKernelV2 = [](const OrtCustomOp* base, const OrtApi* api, const OrtKernelInfo* info,
                      void** kernel) -> OrtStatus* {
    const auto& op = *static_cast<const LinearOperator*>(base);
    int64_t layer = 0;
    if (OrtStatus* status = api->KernelInfoGetAttribute_int64(info, kLayerAttribute, &layer))
      return status;
    const auto& layers = op.weights_.layers();
    if (layer < 0 || static_cast<size_t>(layer) >= layers.size())
      return api->CreateStatus(ORT_INVALID_ARGUMENT, "akin:Linear: no such layer");
    *kernel = new (std::nothrow) Kernel(op, layers[static_cast<size_t>(layer)]);
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

#include "backends/onnxruntime/custom_operator.h"

namespace akin::backends::onnxruntime {

OrtCustomOp PlainOperator() {
  OrtCustomOp op{};
  op.version = 17;  // With which the newest field that is set came.
  op.GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  op.GetInputTypeCount = op.GetOutputTypeCount = [](const OrtCustomOp*) -> size_t { return 1; };
  op.GetInputType = op.GetOutputType = [](const OrtCustomOp*, size_t) {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  };
  op.GetInputCharacteristic =
      op.GetOutputCharacteristic = [](const OrtCustomOp*, size_t) { return INPUT_OUTPUT_REQUIRED; };
  op.GetInputMemoryType = [](const OrtCustomOp*, size_t) { return OrtMemTypeDefault; };
  op.GetVariadicInputMinArity = op.GetVariadicOutputMinArity = [](const OrtCustomOp*) { return 0; };
  op.GetVariadicInputHomogeneity =
      op.GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 0; };
  op.GetStartVersion = [](const OrtCustomOp*) { return 1; };
  op.GetEndVersion = [](const OrtCustomOp*) { return 1; };
  return op;
}

OrtStatus* ReadInput(const OrtApi& api, const OrtKernelContext* context, size_t index,
                     InputTensor& tensor) noexcept {
  const OrtValue* value = nullptr;
  if (OrtStatus* status = api.KernelContext_GetInput(context, index, &value)) return status;
  if (value == nullptr) return nullptr;
  tensor.is_there = true;
  OrtTensorTypeAndShapeInfo* info = nullptr;
  if (OrtStatus* status = api.GetTensorTypeAndShape(value, &info)) return status;
  const Handle<OrtTensorTypeAndShapeInfo> owner(info, api.ReleaseTensorTypeAndShapeInfo);
  if (OrtStatus* status = api.GetDimensionsCount(info, &tensor.rank)) return status;
  if (tensor.rank == 0 || tensor.rank > InputTensor::kMaxRank)
    return api.CreateStatus(ORT_INVALID_ARGUMENT, "akin: an input of no such rank");
  if (OrtStatus* status = api.GetDimensions(info, tensor.dims.data(), tensor.rank)) return status;
  if (OrtStatus* status = api.GetTensorShapeElementCount(info, &tensor.elements)) return status;
  void* data = nullptr;
  if (OrtStatus* status = api.GetTensorMutableData(const_cast<OrtValue*>(value), &data))
    return status;
  tensor.data = static_cast<const float*>(data);
  return nullptr;
}

OrtStatus* MakeOutput(const OrtApi& api, OrtKernelContext* context, size_t index,
                      std::span<const int64_t> dims, float*& data) noexcept {
  OrtValue* value = nullptr;
  void* memory = nullptr;
  if (OrtStatus* status =
          api.KernelContext_GetOutput(context, index, dims.data(), dims.size(), &value))
    return status;
  if (OrtStatus* status = api.GetTensorMutableData(value, &memory)) return status;
  data = static_cast<float*>(memory);
  return nullptr;
}

}  // namespace akin::backends::onnxruntime

#include "backends/onnxruntime/rectangle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/bf16.h"
#include "base/strings.h"

namespace akin::backends::onnxruntime {
namespace {

using formats::OnnxType;

ONNXTensorElementDataType ElementType(OnnxType type) {
  return static_cast<ONNXTensorElementDataType>(type);  // The numbers are ONNX's own.
}

size_t BytesOf(OnnxType type) { return static_cast<size_t>(*formats::OnnxTypeBits(type) / 8); }

// IEEE half -> f32, exact.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000 | fraction << 13);
  if (exponent == 0) {  // Zero and subnormals: fraction * 2^-24.
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

template <typename Element, typename Convert>
void ConvertElements(const std::byte* from, std::span<float> to, Convert convert) {
  for (size_t i = 0; i < to.size(); ++i) {
    Element element;
    std::memcpy(&element, from + i * sizeof element, sizeof element);
    to[i] = convert(element);
  }
}

void ConvertToFloat(const std::byte* from, OnnxType type, std::span<float> to) {
  switch (type) {
    case OnnxType::kFloat16: return ConvertElements<uint16_t>(from, to, HalfToFloat);
    case OnnxType::kBfloat16:
      return ConvertElements<uint16_t>(from, to, [](uint16_t bits) {
        return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
      });
    case OnnxType::kDouble:
      return ConvertElements<double>(from, to, [](double x) { return static_cast<float>(x); });
    default: std::memcpy(to.data(), from, to.size_bytes());
  }
}

}  // namespace

Result<std::unique_ptr<Rectangle>> Rectangle::Create(const OrtSessionOwner& session,
                                                     const RunParams& params) {
  std::unique_ptr<Rectangle> rectangle(new Rectangle(session, params));
  const OrtApi& api = params.library->api();
  OrtMemoryInfo* memory = nullptr;
  AKIN_TRY(
      rectangle->Check(api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory)));
  rectangle->memory_ = {memory, api.ReleaseMemoryInfo};
  OrtIoBinding* binding = nullptr;
  AKIN_TRY(rectangle->Check(api.CreateIoBinding(session.get(), &binding)));
  rectangle->binding_ = {binding, api.ReleaseIoBinding};
  OrtRunOptions* options = nullptr;
  AKIN_TRY(rectangle->Check(api.CreateRunOptions(&options)));
  rectangle->run_options_ = {options, api.ReleaseRunOptions};
  rectangle->wide_.resize(params.signature->inputs.size());
  rectangle->narrow_.resize(params.signature->inputs.size());
  return rectangle;
}

Status Rectangle::Check(OrtStatus* status) const {
  return params_.library->Check(status, ErrorCode::kInternal, "ONNX Runtime");
}

template <typename Index>
void Rectangle::FillInput(InputRole role, const RaggedBatch& batch, size_t first, size_t last,
                          Shape shape, std::vector<Index>& values) const {
  const size_t length = static_cast<size_t>(shape.length);
  values.assign(static_cast<size_t>(shape.batch) * length,
                role == InputRole::kInputIds ? static_cast<Index>(params_.pad_token_id) : Index{0});
  for (size_t s = first; s < last; ++s) {
    Index* row = values.data() + (s - first) * length;
    const size_t begin = batch.begin(s), count = batch.length(s);
    switch (role) {
      case InputRole::kInputIds:
        std::copy_n(batch.input_ids.begin() + static_cast<ptrdiff_t>(begin), count, row);
        break;
      case InputRole::kTokenTypeIds:
        if (!batch.token_type_ids.empty())
          std::copy_n(batch.token_type_ids.begin() + static_cast<ptrdiff_t>(begin), count, row);
        break;
      case InputRole::kAttentionMask: std::fill_n(row, count, Index{1}); break;
      case InputRole::kPositionIds:
        for (size_t t = 0; t < length; ++t) row[t] = static_cast<Index>(std::min(t, count - 1));
        break;
    }
  }
  // Rows that only fill a fixed batch: one token is looked at, since a softmax over none is no
  // number.
  if (role != InputRole::kAttentionMask) return;
  for (size_t r = last - first; r < static_cast<size_t>(shape.batch); ++r) values[r * length] = 1;
}

void Rectangle::Fill(const RaggedBatch& batch, size_t first, size_t last, Shape shape) {
  const std::vector<Input>& inputs = params_.signature->inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].type == OnnxType::kInt64) {
      FillInput(inputs[i].role, batch, first, last, shape, wide_[i]);
    } else {
      FillInput(inputs[i].role, batch, first, last, shape, narrow_[i]);
    }
  }
}

// A value borrows its buffer, and a buffer of the same size stays where it is.
Status Rectangle::BindInputs(Shape shape) {
  const std::vector<Input>& inputs = params_.signature->inputs;
  const std::array<int64_t, 2> dims = {shape.batch, shape.length};
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool is_wide = inputs[i].type == OnnxType::kInt64;
    void* data = is_wide ? static_cast<void*>(wide_[i].data()) : narrow_[i].data();
    AKIN_TRY(BindInput(inputs[i].name, inputs[i].type, data, dims));
  }
  if (!params_.takes_num_rows) return {};
  constexpr std::array<int64_t, 1> kOne = {1};
  return BindInput(kNumRowsInput, OnnxType::kInt64, num_rows_.data(), kOne);
}

Status Rectangle::BindInput(const std::string& name, OnnxType type, void* data,
                            std::span<const int64_t> dims) {
  const OrtApi& api = params_.library->api();
  size_t bytes = BytesOf(type);
  for (const int64_t dim : dims) bytes *= static_cast<size_t>(dim);
  OrtValue* value = nullptr;
  AKIN_TRY(Check(api.CreateTensorWithDataAsOrtValue(memory_.get(), data, bytes, dims.data(),
                                                    dims.size(), ElementType(type), &value)));
  const Handle<OrtValue> handle(value, api.ReleaseValue);
  return Check(api.BindInput(binding_.get(), name.c_str(), value));
}

// `destination` takes the output as it is; nullptr: it goes to output_.
Status Rectangle::BindOutput(Shape shape, float* destination) {
  const OrtApi& api = params_.library->api();
  std::array<int64_t, 3> dims = {shape.batch, shape.length, params_.width};
  size_t rank = 3;
  if (!per_token()) {
    dims = {shape.batch, params_.width, 0};
    rank = 2;
  }
  size_t elements = 1;
  for (size_t i = 0; i < rank; ++i) elements *= static_cast<size_t>(dims[i]);
  const size_t bytes = elements * BytesOf(params_.signature->output_type);
  if (destination == nullptr && output_.size() < bytes) output_.resize(bytes);
  void* data = destination != nullptr ? static_cast<void*>(destination) : output_.data();
  OrtValue* value = nullptr;
  AKIN_TRY(Check(api.CreateTensorWithDataAsOrtValue(memory_.get(), data, bytes, dims.data(), rank,
                                                    ElementType(params_.signature->output_type),
                                                    &value)));
  const Handle<OrtValue> handle(value, api.ReleaseValue);
  return Check(api.BindOutput(binding_.get(), params_.signature->output.c_str(), handle.get()));
}

Status Rectangle::Execute(const WantedUntil* wanted_until) {
  const OrtApi& api = params_.library->api();
  const RunWatch::Watched watched(*params_.watch, run_options_.get(), wanted_until);
  if (watched.ended() != RunWatch::Reason::kNone) return Ended(watched.ended());
  OrtStatus* status = api.RunWithBinding(session_.get(), run_options_.get(), binding_.get());
  if (status != nullptr && watched.ended() != RunWatch::Reason::kNone) {
    api.ReleaseStatus(status);
    return Ended(watched.ended());
  }
  return Check(status);
}

Error Rectangle::Ended(RunWatch::Reason reason) const {
  if (reason == RunWatch::Reason::kTimeout) {
    return MakeError(ErrorCode::kDeadlineExceeded, "a run of ONNX Runtime took longer than ",
                     params_.watch->timeout().count(), " ms and was ended (--run-timeout)");
  }
  return reason == RunWatch::Reason::kDeadline ? WantedUntil::DeadlinePassed()
                                               : WantedUntil::NobodyWaits();
}

Status Rectangle::Run(const RaggedBatch& batch, size_t first, size_t last, Shape shape,
                      std::span<float> rows) {
  Fill(batch, first, last, shape);
  if (bound_ != shape) {
    bound_.reset();
    AKIN_TRY(BindInputs(shape));
    bound_ = shape;
  }
  const bool only_first = batch.only_first_rows && params_.takes_num_rows;
  num_rows_[0] = only_first ? 1 : kAllRows;
  const Shape output = {shape.batch, only_first ? 1 : shape.length};
  // Without padding the output's rows are the result's.
  const int64_t padded_rows = per_token() ? output.batch * output.length : shape.batch;
  const bool direct = params_.signature->output_type == OnnxType::kFloat &&
                      static_cast<size_t>(padded_rows * params_.width) == rows.size();
  AKIN_TRY(BindOutput(output, direct ? rows.data() : nullptr));
  AKIN_TRY(Execute(batch.wanted_until));
  if (direct) return {};
  only_first ? CopyFirstRows(batch, first, last, rows) : CopyRows(batch, first, last, shape, rows);
  return {};
}

void Rectangle::ReadOutput(size_t first, std::span<float> to) const {
  const OnnxType type = params_.signature->output_type;
  ConvertToFloat(output_.data() + first * BytesOf(type), type, to);
}

void Rectangle::CopyRows(const RaggedBatch& batch, size_t first, size_t last, Shape shape,
                         std::span<float> rows) const {
  const size_t width = static_cast<size_t>(params_.width);
  if (!per_token()) return ReadOutput(0, rows);
  for (size_t s = first; s < last; ++s) {
    const size_t values = batch.length(s) * width;
    ReadOutput((s - first) * static_cast<size_t>(shape.length) * width, rows.first(values));
    rows = rows.subspan(values);
  }
}

// Each to its place; the others stay what they are.
void Rectangle::CopyFirstRows(const RaggedBatch& batch, size_t first, size_t last,
                              std::span<float> rows) const {
  const size_t width = static_cast<size_t>(params_.width);
  for (size_t s = first; s < last; ++s) {
    ReadOutput((s - first) * width,
               rows.subspan((batch.begin(s) - batch.begin(first)) * width, width));
  }
}

Result<std::vector<int64_t>> Rectangle::Probe(Shape shape) {
  const std::vector<int32_t> ids(static_cast<size_t>(shape.length), params_.pad_token_id);
  const std::array<int32_t, 2> cu_seqlens = {0, static_cast<int32_t>(shape.length)};
  Fill({ids, {}, cu_seqlens}, 0, 1, shape);
  num_rows_[0] = kAllRows;
  bound_.reset();
  AKIN_TRY(BindInputs(shape));
  const OrtApi& api = params_.library->api();
  const char* output = params_.signature->output.c_str();
  AKIN_TRY(Check(api.BindOutputToDevice(binding_.get(), output, memory_.get())));
  AKIN_TRY(Execute());

  OrtAllocator* allocator = nullptr;
  AKIN_TRY(Check(api.GetAllocatorWithDefaultOptions(&allocator)));
  OrtValue** values = nullptr;
  size_t count = 0;
  AKIN_TRY(Check(api.GetBoundOutputValues(binding_.get(), allocator, &values, &count)));
  std::vector<Handle<OrtValue>> handles;
  for (size_t i = 0; i < count; ++i) handles.emplace_back(values[i], api.ReleaseValue);
  AKIN_TRY(Check(api.AllocatorFree(allocator, values)));
  if (count != 1) return Internal("ONNX Runtime gave ", count, " outputs, expected 1");

  OrtTensorTypeAndShapeInfo* info = nullptr;
  AKIN_TRY(Check(api.GetTensorTypeAndShape(handles[0].get(), &info)));
  const Handle<OrtTensorTypeAndShapeInfo> handle(info, api.ReleaseTensorTypeAndShapeInfo);
  size_t rank = 0;
  AKIN_TRY(Check(api.GetDimensionsCount(info, &rank)));
  std::vector<int64_t> dims(rank);
  AKIN_TRY(Check(api.GetDimensions(info, dims.data(), rank)));
  AKIN_TRY(CheckFinite(handles[0].get(), dims));
  return dims;
}

Status Rectangle::CheckFinite(OrtValue* value, std::span<const int64_t> dims) const {
  void* data = nullptr;
  AKIN_TRY(Check(params_.library->api().GetTensorMutableData(value, &data)));
  size_t count = 1;
  for (const int64_t dim : dims) count *= static_cast<size_t>(dim);
  std::vector<float> values(count);
  ConvertToFloat(static_cast<const std::byte*>(data), params_.signature->output_type, values);
  if (std::ranges::all_of(values, [](float x) { return std::isfinite(x); })) return {};
  return InvalidModel("output '", params_.signature->output,
                      "' is not finite (NaN or infinity) for a test sequence");
}

}  // namespace akin::backends::onnxruntime

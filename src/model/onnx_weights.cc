#include "model/onnx_weights.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/shared_memory.h"
#include "model/model_directory.h"
#include "model/onnx_encoder_check.h"
#include "model/onnx_head.h"
#include "model/onnx_named_weights.h"

namespace akin::model {
namespace {

using formats::OnnxTensor;
using formats::OnnxType;

std::optional<DataType> DataTypeOf(OnnxType type) {
  switch (type) {
    case OnnxType::kFloat: return DataType::kF32;
    case OnnxType::kFloat16: return DataType::kF16;
    case OnnxType::kBfloat16: return DataType::kBf16;
    default: return std::nullopt;
  }
}

// What the tensors of an index are in.
struct Values {
  std::vector<SharedMemory> copied;
  std::shared_ptr<const void> loaded;
};

// The values of the tensor of that name, file, type and shape; empty: it is not there.
std::span<const std::byte> FindIn(const TensorIndex* loaded, const Tensor& wanted) {
  if (loaded == nullptr || !loaded->Contains(wanted.name)) return {};
  std::vector<Dim> dims;
  for (const int64_t size : wanted.shape) dims.push_back({"size", size});
  const Result<Tensor> found = loaded->Get(wanted.name, dims);
  if (!found || found->file != wanted.file || found->dtype != wanted.dtype) return {};
  return found->bytes;
}

}  // namespace

Result<TensorIndex> OnnxTensors(const OnnxFile& file, OnnxValues values,
                                std::span<const OnnxTensor* const> wanted,
                                const TensorIndex* loaded) {
  const WeightFinder finder(file);
  auto made = std::make_shared<Values>();
  if (loaded != nullptr) made->loaded = loaded->owner();
  std::vector<Tensor> tensors;
  for (const NamedWeight& weight : finder.weights()) {
    if (!wanted.empty() && std::ranges::find(wanted, weight.tensor) == wanted.end()) continue;
    const Materializer materializer(file, weight);
    AKIN_TRY(materializer.Check());
    const std::optional<DataType> type =
        materializer.is_plain() ? DataTypeOf(weight.tensor->type) : DataType::kF32;
    if (!type) continue;
    Tensor tensor{
        .name = weight.name, .file = file.name(), .dtype = *type, .shape = weight.tensor->dims};
    if (weight.transposed) std::ranges::reverse(tensor.shape);
    tensor.bytes = FindIn(loaded, tensor);
    if (tensor.bytes.empty() && values == OnnxValues::kCopied) {
      AKIN_TRY_ASSIGN(SharedMemory memory, SharedMemory::Create(materializer.num_bytes()));
      materializer.Write(memory.bytes());
      tensor.bytes = memory.bytes();
      made->copied.push_back(std::move(memory));
    }
    tensors.push_back(std::move(tensor));
  }
  return TensorIndex(std::move(tensors), made, file.name());
}

namespace {

Result<OnnxFile> OpenEncoder(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY_ASSIGN(const std::string name, DefaultOnnxFile(directory));
  AKIN_TRY_ASSIGN(OnnxFile file, OnnxFile::Open(directory, name));
  AKIN_TRY_ASSIGN(const formats::JsonDocument document, directory.ReadJson("config.json"));
  const std::optional<OnnxHead> head = FindOnnxHead(file, document.root());
  AKIN_TRY(CheckIsEncoder(file, config, head ? &*head : nullptr));
  // By their names and shapes, before their values are copied.
  AKIN_TRY_ASSIGN(const TensorIndex names, OnnxTensors(file, OnnxValues::kNone));
  AKIN_TRY(LoadWeights(names, config));
  return file;
}

}  // namespace

Status CheckOnnxEncoder(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY(OpenEncoder(directory, config));
  return {};
}

Result<ModelWeights> LoadOnnxWeights(const ModelDirectory& directory, const ModelConfig& config,
                                     const TensorIndex* loaded) {
  AKIN_TRY_ASSIGN(const OnnxFile file, OpenEncoder(directory, config));
  AKIN_TRY_ASSIGN(const TensorIndex tensors, OnnxTensors(file, OnnxValues::kCopied, {}, loaded));
  return LoadWeights(tensors, config);
}

}  // namespace akin::model

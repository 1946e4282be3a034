#include "model/onnx_weights.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

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

// What tensors are read from.
struct Numbers {
  std::shared_ptr<const TensorFiles> files;
  std::vector<std::shared_ptr<const std::vector<std::byte>>> decoded;
};

}  // namespace

Result<TensorIndex> OnnxTensors(const OnnxFile& file, std::span<const OnnxTensor* const> wanted) {
  const WeightFinder finder(file);
  std::vector<Tensor> tensors;
  const auto numbers = std::make_shared<Numbers>();
  numbers->files = file.files();
  for (const NamedWeight& weight : finder.weights()) {
    if (!wanted.empty() && std::ranges::find(wanted, weight.tensor) == wanted.end()) continue;
    Tensor tensor{.name = weight.name, .file = file.name(), .shape = weight.tensor->dims};
    if (weight.transposed) std::ranges::reverse(tensor.shape);
    if (weight.is_plain()) {
      const std::optional<DataType> type = DataTypeOf(weight.tensor->type);
      if (!type) continue;
      tensor.dtype = *type;
      tensor.bytes = file.ValuesOf(*weight.tensor);
      tensor.source = file.FileOf(*weight.tensor);
    } else {
      AKIN_TRY_ASSIGN(tensor.maker, WeightMaker::Create(file, weight));
    }
    if (weight.tensor->decoded != nullptr) numbers->decoded.push_back(weight.tensor->decoded);
    tensors.push_back(std::move(tensor));
  }
  return TensorIndex(std::move(tensors), numbers, file.name(), numbers->files);
}

Status CheckOnnxEncoder(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY(LoadOnnxWeights(directory, config));
  return {};
}

Result<ModelWeights> LoadOnnxWeights(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY_ASSIGN(const std::string name, DefaultOnnxFile(directory));
  AKIN_TRY_ASSIGN(const OnnxFile file, OnnxFile::Open(directory, name));
  AKIN_TRY_ASSIGN(const formats::JsonDocument document, directory.ReadJson("config.json"));
  const std::optional<OnnxHead> head = FindOnnxHead(file, document.root());
  AKIN_TRY(CheckIsEncoder(file, config, head ? &*head : nullptr));
  AKIN_TRY_ASSIGN(const TensorIndex tensors, OnnxTensors(file));
  return LoadWeights(tensors, config);
}

}  // namespace akin::model

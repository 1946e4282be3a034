#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "backends/onnxruntime/onnxruntime_backend.h"
#include "base/strings.h"
#include "model/onnx_file.h"

namespace akin::backends {
namespace {

// The names that exporters give, the most usual first.
constexpr std::string_view kF32[] = {"model.onnx"};
constexpr std::string_view kF16[] = {"model_fp16.onnx", "model_float16.onnx"};
constexpr std::string_view kBf16[] = {"model_bf16.onnx"};
constexpr std::string_view kInt8[] = {
    "model_quantized.onnx",    "model_int8.onnx",        "model_qint8_avx512_vnni.onnx",
    "model_qint8_avx512.onnx", "model_quint8_avx2.onnx", "model_qint8_arm64.onnx",
    "model_uint8.onnx",        "model-quantized.onnx"};

std::span<const std::string_view> NamesFor(Precision precision) {
  switch (precision) {
    case Precision::kF16: return kF16;
    case Precision::kBf16: return kBf16;
    case Precision::kInt8: return kInt8;
    default: return kF32;
  }
}

// The first name that is among `files`, in the folder "onnx" or in the model folder itself.
std::optional<std::string> FirstOf(std::span<const std::string_view> names,
                                   std::span<const std::string> files) {
  for (const std::string_view wanted : names) {
    for (const std::string_view folder : {"onnx/", ""}) {
      std::string name = StrCat(folder, wanted);
      if (std::ranges::find(files, name) != files.end()) return name;
    }
  }
  return std::nullopt;
}

std::string Joined(std::span<const std::string> names) {
  std::string joined;
  for (const std::string& name : names) joined += StrCat(joined.empty() ? "" : ", ", name);
  return joined;
}

}  // namespace

Result<std::string> ChooseOnnxFile(const model::ModelDirectory& directory,
                                   const OnnxRuntimeOptions& options, Precision precision,
                                   std::vector<std::string>& notes) {
  const std::vector<std::string> files = model::ListOnnxFiles(directory);
  if (!options.onnx_file.empty()) {
    // As it stands in the folder, or in its folder "onnx".
    for (const std::string& name : {options.onnx_file, "onnx/" + options.onnx_file}) {
      if (directory.Exists(name)) return name;
    }
    return ModelNotFound(options.onnx_file, " is not in the model folder '", directory.path(), "'",
                         files.empty() ? "" : "; its ONNX files: ", Joined(files));
  }
  if (precision == Precision::kBf16x3 || precision == Precision::kInt16 ||
      precision == Precision::kW8) {
    return UnsupportedModel("backend onnxruntime has no precision ", PrecisionName(precision),
                            "; the ONNX file decides (--onnx-file)");
  }
  if (auto name = FirstOf(NamesFor(precision), files)) return *name;
  if (auto name = FirstOf(kF32, files)) {
    notes.push_back(StrCat("not used: precision ", PrecisionName(precision),
                           ", for which there is no ONNX file: ", *name, " runs as it is"));
    return *name;
  }
  if (precision == Precision::kAuto && files.size() == 1) return files[0];
  if (files.empty()) {
    return ModelNotFound("there is no ONNX file in the model folder '", directory.path(),
                         "' (model.onnx, onnx/model.onnx)");
  }
  return ModelNotFound("there is no ONNX file for precision ", PrecisionName(precision),
                       " in the model folder '", directory.path(),
                       "'; --onnx-file chooses from: ", Joined(files));
}

}  // namespace akin::backends

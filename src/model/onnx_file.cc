#include "model/onnx_file.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "model/model_directory.h"

namespace akin::model {
namespace {

namespace fs = std::filesystem;
using formats::OnnxGraph;
using formats::OnnxNode;
using formats::OnnxTensor;

// ONNX Runtime takes this location for an address in its own memory.
constexpr std::string_view kMemoryAddress = "_ORT_MEM_ADDR_";

// The least number of inputs of operators whose inputs are looked at by their place; of others it
// is for who runs them to say.
constexpr std::pair<std::string_view, size_t> kLeastInputs[] = {
    {"Add", 2},        {"Cast", 1},          {"Concat", 1},  {"DequantizeLinear", 2},
    {"Div", 2},        {"Gather", 2},        {"Gemm", 2},    {"LayerNormalization", 2},
    {"MatMul", 2},     {"MatMulInteger", 2}, {"Mul", 2},     {"Pow", 2},
    {"ReduceMean", 1}, {"Relu", 1},          {"Reshape", 2}, {"Shape", 1},
    {"Softmax", 1},    {"Sqrt", 1},          {"Sub", 2},     {"Tanh", 1},
    {"Transpose", 1},  {"Unsqueeze", 1}};

// What is taken for granted of every node from here on.
Status CheckNode(const std::string& file, const OnnxNode& node) {
  if (node.outputs.empty())
    return InvalidModel(file, ": node '", node.name, "' (", node.op_type, ") has no output");
  if (!formats::IsOnnxDomain(node.domain)) return {};
  for (const auto& [op_type, least] : kLeastInputs) {
    if (node.op_type != op_type || node.inputs.size() >= least) continue;
    return InvalidModel(file, ": node '", node.name, "' (", op_type, ") has ", node.inputs.size(),
                        " inputs, expected ", least, " or more");
  }
  return {};
}

// Visits the tensors of a graph, of its nodes' attributes and of their subgraphs.
Status ForEachTensor(std::span<const OnnxNode> nodes,
                     const std::function<Status(const OnnxTensor&)>& visit) {
  for (const OnnxNode& node : nodes) {
    for (const formats::OnnxAttribute& attribute : node.attributes) {
      for (const OnnxTensor& tensor : attribute.tensors) AKIN_TRY(visit(tensor));
      for (const auto& graph : attribute.graphs) {
        for (const OnnxTensor& tensor : graph->initializers) AKIN_TRY(visit(tensor));
        AKIN_TRY(ForEachTensor(graph->nodes, visit));
      }
    }
  }
  return {};
}

}  // namespace

Result<OnnxFile> OnnxFile::Open(const ModelDirectory& directory, const std::string& file) {
  OnnxFile onnx;
  onnx.name_ = file;
  AKIN_TRY_ASSIGN(onnx.file_, TensorFile::Open(directory, file));
  AKIN_TRY_ASSIGN(formats::OnnxModel model, formats::ParseOnnx(onnx.bytes(), file));
  onnx.model_ = std::make_unique<const formats::OnnxModel>(std::move(model));
  for (const OnnxTensor& tensor : onnx.graph().initializers) {
    if (!onnx.initializers_.emplace(tensor.name, &tensor).second)
      return InvalidModel(file, ": initializer '", tensor.name, "' is there twice");
  }
  for (const OnnxNode& node : onnx.graph().nodes) AKIN_TRY(CheckNode(file, node));
  AKIN_TRY(onnx.OpenExternalData(directory));
  return onnx;
}

Status OnnxFile::OpenExternalData(const ModelDirectory& directory) {
  const auto open = [&](const OnnxTensor& tensor) { return OpenExternalData(directory, tensor); };
  for (const OnnxTensor& tensor : graph().initializers) AKIN_TRY(open(tensor));
  AKIN_TRY(ForEachTensor(graph().nodes, open));
  for (const formats::OnnxFunction& function : model().functions)
    AKIN_TRY(ForEachTensor(function.nodes, open));
  return {};
}

Status OnnxFile::OpenExternalData(const ModelDirectory& directory, const OnnxTensor& tensor) {
  if (!tensor.external) return {};
  const std::string location(tensor.external->location);
  const auto fail = [&](ErrorCode code, std::string_view what) {
    return MakeError(code, name_, ": external data of tensor '", tensor.name, "' at '", location,
                     "': ", what);
  };
  if (location.find(kMemoryAddress) != location.npos)
    return fail(ErrorCode::kInvalidModel, "is an address in memory, expected a file");
  auto found = external_files_.find(location);
  if (found == external_files_.end()) {
    const fs::path path = fs::path(name_).parent_path() / location;
    if (fs::path(location).is_absolute())
      return fail(ErrorCode::kInvalidModel, "is not a path inside the model folder");
    auto file = TensorFile::Open(directory, path.generic_string());
    if (!file) return fail(file.error().code(), file.error().message());
    found = external_files_.emplace(location, std::move(*file)).first;
  }
  const uint64_t size = found->second->bytes().size();
  const uint64_t offset = tensor.external->offset, length = tensor.num_bytes();
  if (offset > size || length > size - offset) {
    return fail(ErrorCode::kInvalidModel,
                StrCat("bytes ", offset, " to ", offset, " + ", length, ", the file has ", size));
  }
  return {};
}

std::span<const std::byte> OnnxFile::ValuesOf(const OnnxTensor& tensor) const {
  if (!tensor.external) return tensor.bytes;
  const auto found = external_files_.find(tensor.external->location);
  if (found == external_files_.end()) return {};
  return found->second->bytes().subspan(tensor.external->offset, tensor.num_bytes());
}

const TensorFile* OnnxFile::FileOf(const OnnxTensor& tensor) const {
  if (!tensor.external) return tensor.decoded == nullptr ? file_.get() : nullptr;
  const auto found = external_files_.find(tensor.external->location);
  return found == external_files_.end() ? nullptr : found->second.get();
}

std::shared_ptr<const TensorFiles> OnnxFile::files() const {
  auto files = std::make_shared<TensorFiles>();
  files->Add(file_);
  for (const auto& [location, file] : external_files_) files->Add(file);
  return files;
}

const OnnxTensor* OnnxFile::FindInitializer(std::string_view name) const {
  const auto found = initializers_.find(name);
  return found == initializers_.end() ? nullptr : found->second;
}

Result<std::string> DefaultOnnxFile(const ModelDirectory& directory) {
  const std::vector<std::string> files = ListOnnxFiles(directory);
  for (const std::string_view usual : {"onnx/model.onnx", "model.onnx"}) {
    if (std::ranges::find(files, usual) != files.end()) return std::string(usual);
  }
  if (files.size() == 1) return files[0];
  return ModelNotFound("there is no model.onnx in the model folder '", directory.path(), "'");
}

std::vector<std::string> ListOnnxFiles(const ModelDirectory& directory) {
  std::vector<std::string> files;
  for (const char* folder : {"", "onnx/"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory.path() + "/" + folder, error)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".onnx")) files.push_back(folder + name);
    }
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace akin::model

// An ONNX file of a model folder with the external data that belongs to it: everything opened
// through the folder, every range checked, nothing left for others to open.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "formats/onnx.h"
#include "model/tensor_file.h"

namespace akin::model {

class ModelDirectory;

class OnnxFile {
 public:
  // `file` is a path in the folder. Every node of the main graph has an output, and as many inputs
  // as its operator needs at least. Errors: ModelNotFound (it or its external data is not there),
  // InvalidModel (damaged; external data outside of the folder or past a file's end),
  // UnsupportedModel (a limit of formats/onnx.h).
  static Result<OnnxFile> Open(const ModelDirectory& directory, const std::string& file);

  const std::string& name() const { return name_; }
  const formats::OnnxModel& model() const { return *model_; }
  const formats::OnnxGraph& graph() const { return model_->graph; }
  std::span<const std::byte> bytes() const { return file_->bytes(); }

  // The values of one of this file's tensors, wherever they are; not aligned. Empty for strings and
  // types of unknown size.
  std::span<const std::byte> ValuesOf(const formats::OnnxTensor& tensor) const;
  // The file that they are a part of; null: they are in memory, decoded.
  const TensorFile* FileOf(const formats::OnnxTensor& tensor) const;
  // The external files by their location, as the tensors spell it.
  using Files = std::map<std::string, std::shared_ptr<const TensorFile>, std::less<>>;
  const Files& external_files() const { return external_files_; }
  // All of them.
  std::shared_ptr<const TensorFiles> files() const;
  // nullptr: there is none of that name in the main graph.
  const formats::OnnxTensor* FindInitializer(std::string_view name) const;

 private:
  OnnxFile() = default;
  Status OpenExternalData(const ModelDirectory& directory);
  Status OpenExternalData(const ModelDirectory& directory, const formats::OnnxTensor& tensor);

  std::string name_;
  std::shared_ptr<const TensorFile> file_;
  std::unique_ptr<const formats::OnnxModel> model_;  // Borrows file_.
  Files external_files_;
  std::map<std::string_view, const formats::OnnxTensor*> initializers_;
};

// The file of a folder that is meant when none is named: onnx/model.onnx, model.onnx, or the only
// one. Error: ModelNotFound.
Result<std::string> DefaultOnnxFile(const ModelDirectory& directory);

// The ONNX files of a folder, in its root and in "onnx/", sorted; paths in the folder.
std::vector<std::string> ListOnnxFiles(const ModelDirectory& directory);

}  // namespace akin::model

// The tensors of a model by name, wherever they are stored: what the encoder, its heads and the
// modules around it take their weights from.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "akin/result.h"

#include "model/tensor.h"

namespace akin::model {

class ModelDirectory;
class TensorFiles;

// Whether the folder itself has model.safetensors or an index of its shards.
bool HasSafetensors(const ModelDirectory& directory);

// Cheap to copy; copies share the mapped files.
class TensorIndex {
 public:
  // Opens model.safetensors, or the shards of model.safetensors.index.json, in `folder` of the
  // model ("" is the model folder itself, "2_Dense" a module's). Errors: ModelNotFound (no
  // weights), InvalidModel (a damaged file), UnsupportedModel (only a pickle).
  static Result<TensorIndex> Open(const ModelDirectory& directory, std::string_view folder = "");

  // One safetensors file of the model folder, "sparse_linear.safetensors"; tensors of other types
  // than DataType's are left out. Errors: as above.
  static Result<TensorIndex> OpenFile(const ModelDirectory& directory, const std::string& file);

  // Tensors from elsewhere, such as an ONNX graph; `owner` keeps their bytes and makers alive,
  // `files`, which may be null, what they are read from; `name` stands for the file in messages.
  TensorIndex(std::vector<Tensor> tensors, std::shared_ptr<const void> owner, std::string name,
              std::shared_ptr<const TensorFiles> files = nullptr);

  bool Contains(std::string_view name) const;
  // Whether a tensor's name begins with `prefix`.
  bool ContainsPrefix(std::string_view prefix) const;
  // Those of all tensors whose name begins so, in no order; valid as long as the index.
  std::vector<std::string_view> NamesWith(std::string_view prefix) const;

  // The tensor of that name, [dims...]. Errors: InvalidModel (missing, of another shape),
  // UnsupportedModel (a type that is not F32, F16 or BF16); they name the tensor and its file.
  Result<Tensor> Get(std::string_view name, std::span<const Dim> dims) const;
  Result<Tensor> Get(std::string_view name, std::initializer_list<Dim> dims) const {
    return Get(name, std::span(dims.begin(), dims.size()));
  }
  // A tensor of integers (I64, I32) [dim].
  Result<std::vector<int64_t>> GetIntegers(std::string_view name, Dim dim) const;
  // The shape of a tensor of any type, for sizes that no config.json states.
  std::optional<std::vector<int64_t>> Shape(std::string_view name) const;

  // What stands for the place of the weights in messages: "model.safetensors".
  const std::string& name() const { return name_; }
  // Keeps the bytes of all tensors alive.
  std::shared_ptr<const void> owner() const { return owner_; }
  // The files that the tensors are read from; null for tensors from elsewhere.
  const std::shared_ptr<const TensorFiles>& files() const { return files_; }

 private:
  struct Entry {
    std::string dtype;  // As safetensors spells it.
    Tensor tensor;      // Its dtype counts only when the above is one of DataType's.
  };
  using Entries = std::unordered_map<std::string, Entry>;

  TensorIndex() = default;
  const Entry* Find(std::string_view name) const;
  Result<const Entry*> Require(std::string_view name) const;

  std::shared_ptr<const Entries> entries_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const TensorFiles> files_;
  std::string name_;
};

}  // namespace akin::model

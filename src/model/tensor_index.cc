#include "model/tensor_index.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <utility>

#include "base/strings.h"
#include "formats/safetensors.h"
#include "model/model_directory.h"
#include "model/tensor_file.h"

namespace akin::model {
namespace {

using formats::SafetensorsEntry;

constexpr std::string_view kWeightsFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr size_t kMaxIndexBytes = size_t{64} << 20;

struct NamedType {
  std::string_view name;
  DataType dtype;
};
constexpr NamedType kTypes[] = {
    {"F32", DataType::kF32}, {"F16", DataType::kF16}, {"BF16", DataType::kBf16}};

// The tensors of a folder's files, and the files.
struct OpenedFiles {
  struct Located {
    SafetensorsEntry entry;
    const TensorFile* file;
  };
  TensorFiles files;
  std::vector<Located> tensors;
};

Status AddFile(const ModelDirectory& directory, const std::string& file, OpenedFiles& opened) {
  AKIN_TRY_ASSIGN(auto weights, TensorFile::Open(directory, file));
  AKIN_TRY_ASSIGN(std::vector<SafetensorsEntry> entries,
                  formats::ParseSafetensors(weights->bytes(), file));
  for (SafetensorsEntry& entry : entries)
    opened.tensors.push_back({std::move(entry), weights.get()});
  opened.files.Add(std::move(weights));
  return {};
}

// model.safetensors.index.json: {"weight_map": {"tensor": "model-00001-of-00003.safetensors",
// ...}}.
Status AddShards(const ModelDirectory& directory, const std::string& folder, OpenedFiles& opened) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document,
                  directory.ReadJson(StrCat(folder, kIndexFile), kMaxIndexBytes));
  AKIN_TRY_ASSIGN(const formats::JsonValue map, document.root().Get("weight_map"));
  AKIN_TRY_ASSIGN(const auto members, map.AsObject());
  std::map<std::string, std::vector<std::string>, std::less<>> shards;  // Tensors of each file.
  for (const formats::JsonValue member : members) {
    AKIN_TRY_ASSIGN(const std::string_view file, member.AsString());
    if (file.empty() || file.find('/') != std::string_view::npos ||
        file.find('\0') != std::string_view::npos) {
      return InvalidModel(member.Where(), " is ", member.Found(),
                          ", expected the name of a file in the model folder");
    }
    shards[std::string(file)].emplace_back(member.key());
  }
  for (auto& [file, names] : shards) {
    const size_t before = opened.tensors.size();
    AKIN_TRY(AddFile(directory, folder + file, opened));
    std::ranges::sort(names);
    std::vector<bool> found(names.size());
    const auto is_elsewhere = [&](const OpenedFiles::Located& located) {
      const auto name = std::ranges::lower_bound(names, located.entry.name);
      if (name == names.end() || *name != located.entry.name) return true;
      found[static_cast<size_t>(name - names.begin())] = true;
      return false;
    };
    const auto of_shard = opened.tensors.begin() + static_cast<ptrdiff_t>(before);
    opened.tensors.erase(std::remove_if(of_shard, opened.tensors.end(), is_elsewhere),
                         opened.tensors.end());
    if (const auto missing = std::ranges::find(found, false); missing != found.end()) {
      return InvalidModel(folder, kIndexFile, ": says that tensor '",
                          names[static_cast<size_t>(missing - found.begin())], "' is in ", file,
                          ", which does not have it");
    }
  }
  return {};
}

Result<OpenedFiles> OpenFiles(const ModelDirectory& directory, const std::string& folder) {
  OpenedFiles opened;
  if (directory.Exists(StrCat(folder, kWeightsFile))) {
    AKIN_TRY(AddFile(directory, StrCat(folder, kWeightsFile), opened));
  } else if (directory.Exists(StrCat(folder, kIndexFile))) {
    AKIN_TRY(AddShards(directory, folder, opened));
  } else if (directory.Exists(folder + "pytorch_model.bin")) {
    return UnsupportedModel("the weights are only in ", folder,
                            "pytorch_model.bin, a pickle, which can run code and is not read; "
                            "convert it to model.safetensors (in Python: "
                            "model.save_pretrained(folder, safe_serialization=True))");
  } else {
    return ModelNotFound("neither ", folder, kWeightsFile, " nor ", folder, kIndexFile,
                         " is there (model folder '", directory.path(), "')");
  }
  return opened;
}

std::string ShapeText(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += StrCat(i > 0 ? ", " : "", shape[i]);
  return text + "]";
}

std::string ShapeText(std::span<const Dim> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i)
    text += StrCat(i > 0 ? ", " : "", dims[i].key, " ", dims[i].size);
  return text + "]";
}

template <typename T>
std::vector<int64_t> ReadIntegers(const Tensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (tensor.source != nullptr) {
    tensor.source->Read(tensor.bytes.data(), std::as_writable_bytes(std::span(values)));
  } else {
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  }
  return {values.begin(), values.end()};
}

}  // namespace

bool HasSafetensors(const ModelDirectory& directory) {
  return directory.Exists(kWeightsFile) || directory.Exists(kIndexFile);
}

Result<TensorIndex> TensorIndex::Open(const ModelDirectory& directory, std::string_view folder) {
  const std::string prefix = folder.empty() ? std::string() : StrCat(folder, "/");
  AKIN_TRY_ASSIGN(OpenedFiles opened, OpenFiles(directory, prefix));
  auto entries = std::make_shared<Entries>();
  for (OpenedFiles::Located& located : opened.tensors) {
    SafetensorsEntry& from = located.entry;
    Entry entry{.dtype = std::move(from.dtype),
                .tensor = {.name = from.name,
                           .file = located.file->name(),
                           .shape = std::move(from.shape),
                           .bytes = from.bytes,
                           .source = located.file}};
    const auto type = std::ranges::find(kTypes, entry.dtype, &NamedType::name);
    if (type != std::end(kTypes)) entry.tensor.dtype = type->dtype;
    entries->insert_or_assign(std::move(from.name), std::move(entry));
  }
  TensorIndex index;
  index.name_ =
      entries->empty() ? StrCat(prefix, kWeightsFile) : entries->begin()->second.tensor.file;
  index.entries_ = std::move(entries);
  index.files_ = std::make_shared<const TensorFiles>(std::move(opened.files));
  index.owner_ = index.files_;
  return index;
}

Result<TensorIndex> TensorIndex::OpenFile(const ModelDirectory& directory,
                                          const std::string& file) {
  OpenedFiles opened;
  AKIN_TRY(AddFile(directory, file, opened));
  std::vector<Tensor> tensors;
  for (OpenedFiles::Located& located : opened.tensors) {
    SafetensorsEntry& from = located.entry;
    const auto type = std::ranges::find(kTypes, from.dtype, &NamedType::name);
    if (type == std::end(kTypes)) continue;
    tensors.push_back({.name = std::move(from.name),
                       .file = file,
                       .dtype = type->dtype,
                       .shape = std::move(from.shape),
                       .bytes = from.bytes,
                       .source = located.file});
  }
  auto files = std::make_shared<const TensorFiles>(std::move(opened.files));
  return TensorIndex(std::move(tensors), files, file, files);
}

TensorIndex::TensorIndex(std::vector<Tensor> tensors, std::shared_ptr<const void> owner,
                         std::string name, std::shared_ptr<const TensorFiles> files)
    : owner_(std::move(owner)), files_(std::move(files)), name_(std::move(name)) {
  auto entries = std::make_shared<Entries>();
  for (Tensor& tensor : tensors) {
    const auto type = std::ranges::find(kTypes, tensor.dtype, &NamedType::dtype);
    std::string key = tensor.name;
    entries->insert_or_assign(std::move(key), Entry{std::string(type->name), std::move(tensor)});
  }
  entries_ = std::move(entries);
}

const TensorIndex::Entry* TensorIndex::Find(std::string_view name) const {
  const auto found = entries_->find(std::string(name));
  return found == entries_->end() ? nullptr : &found->second;
}

bool TensorIndex::Contains(std::string_view name) const { return Find(name) != nullptr; }

bool TensorIndex::ContainsPrefix(std::string_view prefix) const {
  return std::ranges::any_of(*entries_,
                             [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

std::vector<std::string_view> TensorIndex::NamesWith(std::string_view prefix) const {
  std::vector<std::string_view> names;
  for (const auto& [name, entry] : *entries_) {
    if (name.starts_with(prefix)) names.push_back(name);
  }
  return names;
}

Result<const TensorIndex::Entry*> TensorIndex::Require(std::string_view name) const {
  if (const Entry* entry = Find(name)) return entry;
  return InvalidModel(name_, ": tensor '", name, "' is missing");
}

Result<Tensor> TensorIndex::Get(std::string_view name, std::span<const Dim> dims) const {
  AKIN_TRY_ASSIGN(const Entry* const entry, Require(name));
  const Tensor& tensor = entry->tensor;
  if (!std::ranges::equal(tensor.shape, dims, {}, {}, &Dim::size)) {
    return InvalidModel(tensor.file, ": tensor '", name, "' is ", ShapeText(tensor.shape),
                        ", config.json says ", ShapeText(dims));
  }
  if (std::ranges::find(kTypes, entry->dtype, &NamedType::name) == std::end(kTypes)) {
    return UnsupportedModel(tensor.file, ": tensor '", name, "' has type ", entry->dtype,
                            "; supported: F32, F16, BF16");
  }
  return tensor;
}

Result<std::vector<int64_t>> TensorIndex::GetIntegers(std::string_view name, Dim dim) const {
  AKIN_TRY_ASSIGN(const Entry* const entry, Require(name));
  const Tensor& tensor = entry->tensor;
  if (tensor.shape.size() != 1 || tensor.shape[0] != dim.size) {
    return InvalidModel(tensor.file, ": tensor '", name, "' is ", ShapeText(tensor.shape),
                        ", expected ", ShapeText({&dim, 1}));
  }
  if (entry->dtype == "I64") return ReadIntegers<int64_t>(tensor);
  if (entry->dtype == "I32") return ReadIntegers<int32_t>(tensor);
  return UnsupportedModel(tensor.file, ": tensor '", name, "' has type ", entry->dtype,
                          "; supported: I64, I32");
}

std::optional<std::vector<int64_t>> TensorIndex::Shape(std::string_view name) const {
  const Entry* entry = Find(name);
  return entry == nullptr ? std::nullopt : std::optional(entry->tensor.shape);
}

}  // namespace akin::model

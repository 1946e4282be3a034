#include "model/weights.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/mapped_file.h"
#include "base/strings.h"
#include "formats/safetensors.h"
#include "model/model_directory.h"

namespace akin::model {
namespace {

using formats::SafetensorsEntry;

constexpr std::string_view kWeightsFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";
constexpr size_t kMaxIndexBytes = size_t{64} << 20;

// --- Files ---

// All tensors of a model by name, and the file each is in.
struct TensorFiles {
  struct Located {
    SafetensorsEntry entry;
    std::string file;
  };
  std::vector<MappedFile> files;
  std::unordered_map<std::string, Located> tensors;
};

Status AddFile(const ModelDirectory& directory, const std::string& file, TensorFiles& files) {
  AKIN_TRY_ASSIGN(MappedFile mapped, directory.MapFile(file));
  AKIN_TRY_ASSIGN(std::vector<SafetensorsEntry> entries,
                  formats::ParseSafetensors(mapped.bytes(), file));
  for (SafetensorsEntry& entry : entries) {
    std::string name = entry.name;
    files.tensors.insert_or_assign(std::move(name), TensorFiles::Located{std::move(entry), file});
  }
  files.files.push_back(std::move(mapped));
  return {};
}

// model.safetensors.index.json: {"weight_map": {"tensor": "model-00001-of-00003.safetensors",
// ...}}.
Status AddShards(const ModelDirectory& directory, TensorFiles& files) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document,
                  directory.ReadJson(kIndexFile, kMaxIndexBytes));
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
  for (const auto& [file, names] : shards) {
    TensorFiles shard;
    AKIN_TRY(AddFile(directory, file, shard));
    for (const std::string& name : names) {
      const auto found = shard.tensors.find(name);
      if (found == shard.tensors.end()) {
        return InvalidModel(kIndexFile, ": says that tensor '", name, "' is in ", file,
                            ", which does not have it");
      }
      files.tensors.insert_or_assign(name, std::move(found->second));
    }
    files.files.push_back(std::move(shard.files.front()));
  }
  return {};
}

Result<TensorFiles> OpenTensorFiles(const ModelDirectory& directory) {
  TensorFiles files;
  if (directory.Exists(kWeightsFile)) {
    AKIN_TRY(AddFile(directory, std::string(kWeightsFile), files));
  } else if (directory.Exists(kIndexFile)) {
    AKIN_TRY(AddShards(directory, files));
  } else if (directory.Exists("pytorch_model.bin")) {
    return UnsupportedModel(
        "the weights are only in pytorch_model.bin, a pickle, which can run code and is not read; "
        "save the model again "
        "with safe_serialization=True to get model.safetensors");
  } else {
    return ModelNotFound("neither ", kWeightsFile, " nor ", kIndexFile, " is there (model folder '",
                         directory.path(), "')");
  }
  return files;
}

// --- Names and shapes ---

// A dimension and where config.json says how large it is.
struct Dim {
  std::string_view key;
  int64_t size;
};

std::optional<DataType> ParseDataType(std::string_view dtype) {
  if (dtype == "F32") return DataType::kF32;
  if (dtype == "F16") return DataType::kF16;
  if (dtype == "BF16") return DataType::kBf16;
  return std::nullopt;
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

// The rows that the tables below are made of: a name and the member that takes the tensors of that
// name.
template <typename Owner, typename Part>
struct NamedPart {
  std::string_view name;
  Part Owner::* part;
};

constexpr NamedPart<ModelWeights, Tensor> kTables[] = {
    {"embeddings.word_embeddings.weight", &ModelWeights::word_embeddings},
    {"embeddings.position_embeddings.weight", &ModelWeights::position_embeddings},
    {"embeddings.token_type_embeddings.weight", &ModelWeights::token_type_embeddings}};
constexpr NamedPart<LayerWeights, Linear> kHiddenToHidden[] = {
    {"attention.self.query", &LayerWeights::query},
    {"attention.self.key", &LayerWeights::key},
    {"attention.self.value", &LayerWeights::value},
    {"attention.output.dense", &LayerWeights::attention_output}};
constexpr NamedPart<LayerWeights, LayerNorm> kLayerNorms[] = {
    {"attention.output.LayerNorm", &LayerWeights::attention_norm},
    {"output.LayerNorm", &LayerWeights::output_norm}};

// Takes tensors by name and checks them on the way.
class WeightReader {
 public:
  WeightReader(const TensorFiles& files, const ModelConfig& config)
      : files_(files), num_layers_(config.num_hidden_layers) {
    // Files of other classes than BertModel put the encoder under a name.
    for (const std::string_view prefix : {"", "bert.", "model."}) {
      if (files_.tensors.contains(StrCat(prefix, kTables[0].name))) {
        prefix_ = prefix;
        break;
      }
    }
  }

  Status Read(std::string_view name, std::initializer_list<Dim> dims, Tensor& tensor) {
    const TensorFiles::Located* located = Find(name);
    if (located == nullptr) {
      return InvalidModel(FirstFile(), ": tensor '", prefix_, name,
                          "' is missing; config.json says num_hidden_layers ", num_layers_);
    }
    const SafetensorsEntry& entry = located->entry;
    if (!std::ranges::equal(entry.shape, dims, {}, {}, &Dim::size)) {
      return InvalidModel(located->file, ": tensor '", entry.name, "' is ", ShapeText(entry.shape),
                          ", config.json says ", ShapeText(std::span(dims.begin(), dims.size())));
    }
    const std::optional<DataType> dtype = ParseDataType(entry.dtype);
    if (!dtype) {
      return UnsupportedModel(located->file, ": tensor '", entry.name, "' has type ", entry.dtype,
                              "; supported: F32, F16, BF16");
    }
    tensor = {.name = entry.name, .dtype = *dtype, .shape = entry.shape, .bytes = entry.bytes};
    num_parameters_ += tensor.num_elements();
    return {};
  }

  Status Read(const std::string& name, Dim outputs, Dim inputs, Linear& linear) {
    AKIN_TRY(Read(name + ".weight", {outputs, inputs}, linear.weight));
    return Read(name + ".bias", {outputs}, linear.bias);
  }

  // Files from TensorFlow times call weight and bias gamma and beta.
  Status Read(const std::string& name, Dim size, LayerNorm& norm) {
    const bool old_names = Find(name + ".weight") == nullptr && Find(name + ".gamma") != nullptr;
    AKIN_TRY(Read(name + (old_names ? ".gamma" : ".weight"), {size}, norm.weight));
    return Read(name + (old_names ? ".beta" : ".bias"), {size}, norm.bias);
  }

  int64_t num_parameters() const { return num_parameters_; }

 private:
  const TensorFiles::Located* Find(std::string_view name) const {
    const auto found = files_.tensors.find(StrCat(prefix_, name));
    return found == files_.tensors.end() ? nullptr : &found->second;
  }
  std::string_view FirstFile() const {
    return files_.tensors.empty() ? kWeightsFile
                                  : std::string_view(files_.tensors.begin()->second.file);
  }

  const TensorFiles& files_;
  const int num_layers_;
  std::string_view prefix_;
  int64_t num_parameters_ = 0;
};

Status ReadLayer(const std::string& prefix, Dim hidden, Dim intermediate, WeightReader& reader,
                 LayerWeights& layer) {
  for (const auto& row : kHiddenToHidden) {
    AKIN_TRY(reader.Read(StrCat(prefix, row.name), hidden, hidden, layer.*row.part));
  }
  AKIN_TRY(reader.Read(prefix + "intermediate.dense", intermediate, hidden, layer.intermediate));
  AKIN_TRY(reader.Read(prefix + "output.dense", hidden, intermediate, layer.output));
  for (const auto& row : kLayerNorms)
    AKIN_TRY(reader.Read(StrCat(prefix, row.name), hidden, layer.*row.part));
  return {};
}

// --- Numbers ---

// Half precision by integer steps: multiplying a denormal would depend on the thread's
// floating-point mode.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16, magnitude = half & 0x7FFFu;
  uint32_t bits =
      (magnitude << 13) + (112u << 23);  // The exponent's bias is 15 in a half, 127 in a float.
  if (magnitude >= 0x7C00u) bits += 112u << 23;  // Infinity and NaN.
  if (magnitude < 0x0400u) {  // Zero and denormals: 2^-14 * (1 + fraction) - 2^-14.
    bits = std::bit_cast<uint32_t>(std::bit_cast<float>((magnitude << 13) + (113u << 23)) -
                                   std::bit_cast<float>(113u << 23));
  }
  return std::bit_cast<float>(bits | sign);
}

template <typename Convert>
void Read16(const std::byte* from, std::span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + i * sizeof bits, sizeof bits);
    out[i] = convert(bits);
  }
}

}  // namespace

int64_t Tensor::num_elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

void ReadF32(const Tensor& tensor, int64_t first, std::span<float> out) {
  const size_t element_bytes = tensor.dtype == DataType::kF32 ? 4 : 2;
  const std::byte* from = tensor.bytes.data() + static_cast<size_t>(first) * element_bytes;
  switch (tensor.dtype) {
    case DataType::kF32: std::memcpy(out.data(), from, out.size_bytes()); return;
    case DataType::kF16: return Read16(from, out, HalfToFloat);
    case DataType::kBf16:
      return Read16(from, out,
                    [](uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); });
  }
}

Result<ModelWeights> LoadWeights(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY_ASSIGN(TensorFiles opened, OpenTensorFiles(directory));
  const auto files = std::make_shared<const TensorFiles>(std::move(opened));
  const Dim hidden{"hidden_size", config.hidden_size};
  const Dim table_rows[] = {{"vocab_size", config.vocab_size},
                            {"max_position_embeddings", config.max_position_embeddings},
                            {"type_vocab_size", config.type_vocab_size}};
  ModelWeights weights;
  WeightReader reader(*files, config);
  for (size_t i = 0; i < std::size(kTables); ++i) {
    AKIN_TRY(reader.Read(kTables[i].name, {table_rows[i], hidden}, weights.*kTables[i].part));
  }
  AKIN_TRY(reader.Read("embeddings.LayerNorm", hidden, weights.embedding_norm));
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    AKIN_TRY(ReadLayer(StrCat("encoder.layer.", i, "."), hidden,
                       {"intermediate_size", config.intermediate_size}, reader,
                       weights.layers.emplace_back()));
  }
  weights.num_parameters = reader.num_parameters();
  weights.files = files;
  return weights;
}

void DropPages(const Tensor& tensor) { DropMappedPages(tensor.bytes); }

}  // namespace akin::model

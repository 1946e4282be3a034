#include "model/weights.h"

#include <initializer_list>

#include "base/strings.h"
#include "model/model_directory.h"
#include "model/tensor_index.h"

namespace akin::model {
namespace {

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
  WeightReader(const TensorIndex& tensors, const ModelConfig& config)
      : tensors_(tensors), num_layers_(config.num_hidden_layers) {
    // Files of other classes than BertModel put the encoder under a name.
    for (const std::string_view prefix : {"", "bert.", "model."}) {
      if (tensors_.Contains(StrCat(prefix, kTables[0].name))) {
        prefix_ = prefix;
        break;
      }
    }
  }

  Status Read(std::string_view name, std::initializer_list<Dim> dims, Tensor& tensor) {
    const std::string full_name = StrCat(prefix_, name);
    if (!tensors_.Contains(full_name)) {
      return InvalidModel(tensors_.name(), ": tensor '", full_name,
                          "' is missing; config.json says num_hidden_layers ", num_layers_);
    }
    AKIN_TRY_ASSIGN(tensor, tensors_.Get(full_name, dims));
    num_parameters_ += tensor.num_elements();
    return {};
  }

  Status Read(const std::string& name, Dim outputs, Dim inputs, Linear& linear) {
    AKIN_TRY(Read(name + ".weight", {outputs, inputs}, linear.weight));
    return Read(name + ".bias", {outputs}, linear.bias);
  }

  // Files from TensorFlow times call weight and bias gamma and beta.
  Status Read(const std::string& name, Dim size, LayerNorm& norm) {
    const bool old_names = !tensors_.Contains(StrCat(prefix_, name, ".weight")) &&
                           tensors_.Contains(StrCat(prefix_, name, ".gamma"));
    AKIN_TRY(Read(name + (old_names ? ".gamma" : ".weight"), {size}, norm.weight));
    return Read(name + (old_names ? ".beta" : ".bias"), {size}, norm.bias);
  }

  int64_t num_parameters() const { return num_parameters_; }

 private:
  const TensorIndex& tensors_;
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

}  // namespace

Result<ModelWeights> LoadWeights(const TensorIndex& tensors, const ModelConfig& config) {
  const Dim hidden{"hidden_size", config.hidden_size};
  const Dim table_rows[] = {{"vocab_size", config.vocab_size},
                            {"max_position_embeddings", config.max_position_embeddings},
                            {"type_vocab_size", config.type_vocab_size}};
  ModelWeights weights;
  WeightReader reader(tensors, config);
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
  weights.tensors = tensors.owner();
  return weights;
}

Result<ModelWeights> LoadWeights(const ModelDirectory& directory, const ModelConfig& config) {
  AKIN_TRY_ASSIGN(const TensorIndex tensors, TensorIndex::Open(directory));
  return LoadWeights(tensors, config);
}

}  // namespace akin::model

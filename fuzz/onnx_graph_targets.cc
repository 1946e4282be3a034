#include "fuzz/onnx_graph_targets.h"

#include <string>
#include <variant>

#include "formats/json.h"
#include "fuzz/support.h"
#include "model/model_config.h"
#include "model/model_directory.h"
#include "model/onnx_head.h"
#include "model/onnx_weights.h"
#include "model/tensor.h"

namespace akin::fuzz {
namespace {

// Codes that say something about the file.
template <typename T>
void RequireBlamesTheModel(const Result<T>& result) {
  if (result) return;
  const ErrorCode code = result.error().code();
  Require(code == ErrorCode::kInvalidModel || code == ErrorCode::kUnsupportedModel ||
          code == ErrorCode::kModelNotFound);
  Require(!result.error().message().empty());
}

// Every value is there to be read.
size_t Read(const model::Tensor& tensor) {
  size_t count = 1;
  for (const int64_t size : tensor.shape) count *= static_cast<size_t>(size);
  if (tensor.empty()) return 0;
  Require(model::ReadAll(tensor).size() == count);
  return count;
}

void ReadEncoder(const model::ModelWeights& weights, const model::ModelConfig& config) {
  Require(weights.layers.size() == static_cast<size_t>(config.num_hidden_layers));
  Require(Read(weights.word_embeddings) ==
          static_cast<size_t>(config.vocab_size) * static_cast<size_t>(config.embedding_size));
  Read(weights.position_embeddings);
  Read(weights.token_type_embeddings);
  for (const model::LayerWeights& layer : weights.layers) {
    for (const model::Linear* linear :
         {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.intermediate,
          &layer.output}) {
      Require(Read(linear->weight) > 0);
      Read(linear->bias);
    }
    Read(layer.attention_norm.weight);
    Read(layer.feed_forward_norm.bias);
  }
}

void ReadModules(const std::vector<model::Module>& modules) {
  for (const model::Module& module : modules) {
    if (const auto* dense = std::get_if<model::Dense>(&module)) {
      Require(Read(dense->weight) > 0);
      Read(dense->bias);
    } else if (const auto* norm = std::get_if<model::RowLayerNorm>(&module)) {
      Require(Read(norm->weight) > 0);
      Read(norm->bias);
    }
  }
}

}  // namespace

bool LoadOnnxGraph(std::string_view input) {
  static const Folder folder;
  const size_t end = input.find('\0');
  if (end == input.npos) return false;
  folder.Write("config.json", input.substr(0, end));
  folder.Write("model.onnx", input.substr(end + 1));
  const auto directory = model::ModelDirectory::Open(folder.path().string());
  Require(directory.has_value());
  const auto document = directory->ReadJson("config.json");
  if (!document || !document->root().is_object()) return false;
  const formats::JsonValue root = document->root();

  const auto classifier = model::LoadOnnxClassifier(*directory, root);
  RequireBlamesTheModel(classifier);
  if (classifier && *classifier) {
    Require(!(*classifier)->head.modules.empty());
    ReadModules((*classifier)->head.modules);
  }
  model::VocabularyPooling decoder;
  const auto masked_lm = model::LoadOnnxMaskedLm(*directory, root, decoder);
  RequireBlamesTheModel(masked_lm);
  if (masked_lm && *masked_lm) {
    ReadModules((*masked_lm)->modules);
    Require(Read(decoder.weight) > 0 && Read(decoder.bias) > 0);
  }

  const auto config = model::LoadModelConfig(*directory);
  if (!config) return false;
  const auto weights = model::LoadOnnxWeights(*directory, *config);
  RequireBlamesTheModel(weights);
  const Status known = model::CheckOnnxEncoder(*directory, *config);
  Require(known.has_value() == weights.has_value());
  if (!weights) return false;
  ReadEncoder(*weights, *config);
  return (masked_lm && *masked_lm) || (classifier && *classifier);
}

}  // namespace akin::fuzz

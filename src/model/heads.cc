#include "model/heads.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>

#include "base/strings.h"
#include "model/tensor_index.h"

namespace akin::model {
namespace {

using formats::JsonValue;

// --- Tensors by name ---

// The tensor in the shape that it has, of `rank` dimensions.
Result<Tensor> GetOfRank(const TensorIndex& tensors, const std::string& name, size_t rank) {
  const auto shape = tensors.Shape(name);
  if (!shape) return InvalidModel(tensors.name(), ": tensor '", name, "' is missing");
  if (shape->size() != rank) {
    return InvalidModel(tensors.name(), ": tensor '", name, "' has ", shape->size(),
                        " dimensions, expected ", rank);
  }
  std::vector<Dim> dims;
  for (const int64_t size : *shape) dims.push_back({"size", size});
  return tensors.Get(name, dims);
}

// A dense layer whose bias may be missing.
Result<Dense> GetDense(const TensorIndex& tensors, const std::string& name,
                       RowActivation activation) {
  Dense dense{.folder = name, .activation = activation};
  AKIN_TRY_ASSIGN(dense.weight, GetOfRank(tensors, name + ".weight", 2));
  if (tensors.Contains(name + ".bias")) {
    AKIN_TRY_ASSIGN(dense.bias, tensors.Get(name + ".bias", {{"outputs", dense.weight.shape[0]}}));
  }
  return dense;
}

Result<RowLayerNorm> GetLayerNorm(const TensorIndex& tensors, const std::string& name, float eps) {
  RowLayerNorm norm{.folder = name, .eps = eps};
  const bool old_names = !tensors.Contains(name + ".weight") && tensors.Contains(name + ".gamma");
  AKIN_TRY_ASSIGN(norm.weight, GetOfRank(tensors, name + (old_names ? ".gamma" : ".weight"), 1));
  const std::string bias = name + (old_names ? ".beta" : ".bias");
  if (tensors.Contains(bias)) {
    AKIN_TRY_ASSIGN(norm.bias, tensors.Get(bias, {{"size", norm.weight.shape[0]}}));
  }
  return norm;
}

// The first of `names` that is there.
std::optional<std::string> FirstOf(const TensorIndex& tensors,
                                   std::span<const std::string_view> names,
                                   std::string_view ending) {
  for (const std::string_view name : names) {
    if (tensors.Contains(StrCat(name, ending))) return std::string(name);
  }
  return std::nullopt;
}

// --- config.json ---

// The first of `keys` that has a value; `absent` if none has.
Result<RowActivation> ReadActivation(JsonValue config, std::span<const std::string_view> keys,
                                     RowActivation absent) {
  for (const std::string_view key : keys) {
    const auto value = config.Find(key);
    if (value && !value->is_null()) return ParseRowActivation(*value);
  }
  return absent;
}

constexpr std::string_view kHiddenAct[] = {"hidden_act", "hidden_activation", "activation"};
constexpr std::string_view kClassifierAct[] = {"classifier_activation"};
constexpr std::string_view kPoolerAct[] = {"pooler_hidden_act"};

Result<float> ReadNormEps(JsonValue config) {
  for (const std::string_view key : {"layer_norm_eps", "norm_eps", "layer_norm_epsilon"}) {
    if (const auto value = config.Find(key)) {
      AKIN_TRY_ASSIGN(const double eps, value->AsDouble());
      return static_cast<float>(eps);
    }
  }
  return 1e-12f;  // transformers' default for BERT and DistilBERT.
}

// --- Classification ---

// One way to put labels on an encoder. What decides is which tensors there are.
struct HeadLayout {
  std::string_view dense;   // "": none.
  std::string_view output;  // The layer that gives the logits.
  RowActivation activation;
  std::span<const std::string_view> activation_keys;  // Of config.json, if it can say another one.
  std::string_view norm = "";                         // Behind the dense layer.
};

constexpr HeadLayout kLayouts[] = {
    // RoBERTa, XLM-RoBERTa, CamemBERT, MPNet; ELECTRA has a GELU there.
    {"classifier.dense", "classifier.out_proj", RowActivation::kTanh, {}},
    // DistilBERT
    {"pre_classifier", "classifier", RowActivation::kRelu, {}},
    // ModernBERT
    {"head.dense", "classifier", RowActivation::kGelu, kClassifierAct, "head.norm"},
    // BERT and its kin: the pooler belongs to the encoder.
    {"bert.pooler.dense", "classifier", RowActivation::kTanh, {}},
    {"ernie.pooler.dense", "classifier", RowActivation::kTanh, {}},
    {"new.pooler.dense", "classifier", RowActivation::kTanh, {}},
    {"albert.pooler", "classifier", RowActivation::kTanh, {}},
    // DeBERTa-v2
    {"pooler.dense", "classifier", RowActivation::kGelu, kPoolerAct},
    // Decoders
    {"", "score", RowActivation::kIdentity, {}},
};

// Some ten times those of the largest published classifiers.
constexpr int64_t kMaxLabels = int64_t{1} << 18;

Result<std::vector<std::string>> ReadLabels(JsonValue config, int64_t count) {
  std::vector<std::string> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back(StrCat("LABEL_", i));
  const auto table = config.Find("id2label");
  if (!table || table->is_null()) return labels;
  AKIN_TRY_ASSIGN(const auto entries, table->AsObject());
  if (static_cast<int64_t>(table->size()) != count) {
    return InvalidModel(table->Where(), " has ", table->size(),
                        " labels, but the classifier's weights have ", count, " rows");
  }
  for (const JsonValue entry : entries) {
    AKIN_TRY_ASSIGN(const std::string_view label, entry.AsString());
    int64_t index = -1;
    const std::string_view key = entry.key();
    std::from_chars(key.data(), key.data() + key.size(), index);
    if (index < 0 || index >= count) {
      return InvalidModel(entry.Where(), ": the label's number is not one of 0 to ", count - 1);
    }
    labels[static_cast<size_t>(index)] = std::string(label);
  }
  return labels;
}

// sentence-transformers: what the folder says; else a sigmoid for one label, nothing for several.
Result<ScoreActivation> ReadScoreActivation(JsonValue config, int64_t num_labels) {
  std::optional<JsonValue> value;
  if (const auto section = config.Find("sentence_transformers")) {
    value = section->Find("activation_fn");
  }
  if (!value) value = config.Find("sbert_ce_default_activation_function");
  if (value && !value->is_null()) return ParseScoreActivation(*value);
  return num_labels == 1 ? ScoreActivation::kSigmoid : ScoreActivation::kRaw;
}

// Which state of a text the head reads.
Result<PoolingMode> ReadHeadPooling(JsonValue config, const HeadLayout& layout) {
  if (layout.output == "score") return PoolingMode::kLastToken;
  const auto value = config.Find("classifier_pooling");
  if (!value || value->is_null()) return PoolingMode::kCls;
  AKIN_TRY_ASSIGN(const std::string_view name, value->AsString());
  if (name == "cls") return PoolingMode::kCls;
  if (name == "mean") return PoolingMode::kMean;
  return UnsupportedModel(value->Where(), " is ", value->Found(), "; supported: \"cls\", \"mean\"");
}

Result<RowActivation> HeadActivation(JsonValue config, const HeadLayout& layout) {
  const auto type = config.Find("model_type");
  const bool electra = type && type->AsString().value_or("") == "electra";
  if (electra) return RowActivation::kGelu;
  return ReadActivation(config, layout.activation_keys, layout.activation);
}

const HeadLayout* FindLayout(const TensorIndex& tensors) {
  const auto fits = [&](const HeadLayout& layout) {
    return tensors.Contains(StrCat(layout.output, ".weight")) &&
           (layout.dense.empty() || tensors.Contains(StrCat(layout.dense, ".weight")));
  };
  const auto found = std::ranges::find_if(kLayouts, fits);
  return found == std::end(kLayouts) ? nullptr : &*found;
}

}  // namespace

Result<ScoreActivation> ParseScoreActivation(JsonValue value) {
  AKIN_TRY_ASSIGN(const std::string_view full_name, value.AsString());
  const std::string_view name = full_name.substr(full_name.rfind('.') + 1);
  if (name == "Sigmoid") return ScoreActivation::kSigmoid;
  if (name == "Identity") return ScoreActivation::kRaw;
  if (name == "Softmax") return ScoreActivation::kSoftmax;
  return UnsupportedModel(value.Where(), " is ", value.Found(),
                          "; supported: torch.nn's Sigmoid, Softmax and Identity");
}

bool IsArchitecture(JsonValue config, std::string_view ending) {
  const auto names = config.Find("architectures");
  if (!names || !names->is_array()) return false;
  for (const JsonValue name : names->elements()) {
    if (name.is_string() && name.AsString()->ends_with(ending)) return true;
  }
  return false;
}

Result<ClassificationHead> ReadClassificationLabels(JsonValue config) {
  int64_t count = 2;
  if (const auto number = config.Find("num_labels"); number && !number->is_null()) {
    AKIN_TRY_ASSIGN(count, number->AsIntIn(1, kMaxLabels));
  }
  if (const auto table = config.Find("id2label"); table && table->is_object())
    count = static_cast<int64_t>(table->size());
  ClassificationHead head;
  AKIN_TRY_ASSIGN(head.labels, ReadLabels(config, count));
  AKIN_TRY_ASSIGN(head.activation, ReadScoreActivation(config, count));
  return head;
}

Result<ClassificationHead> LoadClassificationHead(JsonValue config, const TensorIndex& tensors) {
  const HeadLayout* layout = FindLayout(tensors);
  if (layout == nullptr) {
    return UnsupportedModel("config.json: \"architectures\" says that this model classifies, but ",
                            tensors.name(),
                            " has no head that is known (classifier, classifier.out_proj, score)");
  }
  ClassificationHead head;
  AKIN_TRY_ASSIGN(const PoolingMode mode, ReadHeadPooling(config, *layout));
  head.modules.push_back(Pooling{.folder = "classifier", .modes = {mode}});
  if (!layout->dense.empty()) {
    AKIN_TRY_ASSIGN(const RowActivation activation, HeadActivation(config, *layout));
    AKIN_TRY_ASSIGN(Dense dense, GetDense(tensors, std::string(layout->dense), activation));
    head.modules.push_back(std::move(dense));
  }
  if (!layout->norm.empty()) {
    AKIN_TRY_ASSIGN(const float eps, ReadNormEps(config));
    AKIN_TRY_ASSIGN(RowLayerNorm norm, GetLayerNorm(tensors, std::string(layout->norm), eps));
    head.modules.push_back(std::move(norm));
  }
  AKIN_TRY_ASSIGN(Dense output,
                  GetDense(tensors, std::string(layout->output), RowActivation::kIdentity));
  const int64_t num_labels = output.weight.shape[0];
  AKIN_TRY_ASSIGN(head.labels, ReadLabels(config, num_labels));
  AKIN_TRY_ASSIGN(head.activation, ReadScoreActivation(config, num_labels));
  head.modules.push_back(std::move(output));
  return head;
}

// --- Masked language model ---

Result<std::vector<Module>> LoadMaskedLmHead(JsonValue config, const TensorIndex& tensors,
                                             VocabularyPooling& decoder) {
  // Dense, norm and decoder of BERT; DistilBERT; RoBERTa and its kin, MPNet; ModernBERT.
  constexpr std::array<std::array<std::string_view, 3>, 4> kHeads = {{
      {"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
       "cls.predictions.decoder"},
      {"vocab_transform", "vocab_layer_norm", "vocab_projector"},
      {"lm_head.dense", "lm_head.layer_norm", "lm_head.decoder"},
      {"head.dense", "head.norm", "decoder"},
  }};
  constexpr std::string_view kTiedWeights[] = {
      "bert.embeddings.word_embeddings",    "distilbert.embeddings.word_embeddings",
      "roberta.embeddings.word_embeddings", "mpnet.embeddings.word_embeddings",
      "model.embeddings.tok_embeddings",    "embeddings.word_embeddings",
      "embeddings.tok_embeddings"};
  constexpr std::string_view kBiases[] = {"cls.predictions.bias", "cls.predictions.decoder.bias",
                                          "vocab_projector.bias", "lm_head.bias",
                                          "lm_head.decoder.bias", "decoder.bias"};
  const auto head = std::ranges::find_if(
      kHeads, [&](const auto& names) { return tensors.Contains(StrCat(names[0], ".weight")); });
  if (head == kHeads.end()) {
    return UnsupportedModel(tensors.name(),
                            ": no masked-language-model head that is known, which sparse vectors "
                            "are made of (cls.predictions, vocab_transform, lm_head, head.dense)");
  }
  AKIN_TRY_ASSIGN(
      const RowActivation activation,
      ReadActivation(config,
                     (*head)[0] == "head.dense" ? std::span<const std::string_view>(kClassifierAct)
                                                : kHiddenAct,
                     RowActivation::kGelu));
  AKIN_TRY_ASSIGN(const float eps, ReadNormEps(config));
  AKIN_TRY_ASSIGN(Dense dense, GetDense(tensors, std::string((*head)[0]), activation));
  AKIN_TRY_ASSIGN(RowLayerNorm norm, GetLayerNorm(tensors, std::string((*head)[1]), eps));

  const std::string_view own[] = {(*head)[2]};
  auto weight = FirstOf(tensors, own, ".weight");
  if (!weight) weight = FirstOf(tensors, kTiedWeights, ".weight");
  AKIN_TRY_ASSIGN(decoder.weight,
                  GetOfRank(tensors, weight.value_or(std::string((*head)[2])) + ".weight", 2));
  if (const auto bias = FirstOf(tensors, kBiases, "")) {
    AKIN_TRY_ASSIGN(decoder.bias, tensors.Get(*bias, {{"vocabulary", decoder.weight.shape[0]}}));
  }
  std::vector<Module> modules;
  modules.push_back(std::move(dense));
  modules.push_back(std::move(norm));
  return modules;
}

}  // namespace akin::model

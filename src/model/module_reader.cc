#include "model/module_reader.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/strings.h"
#include "model/onnx_file.h"
#include "model/onnx_head.h"
#include "model/tensor_index.h"

namespace akin::model {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

// Whether `key` has the second of two values; the first is what it is when it is absent.
Result<bool> OneOf(JsonValue root, std::string_view key, std::string_view first,
                   std::string_view second) {
  const auto value = root.Find(key);
  if (!value || value->is_null()) return false;
  AKIN_TRY_ASSIGN(const std::string_view name, value->AsString());
  if (name == first || name == second) return name == second;
  return UnsupportedModel(value->Where(), " is ", value->Found(), "; supported: \"", first,
                          "\", \"", second, '"');
}

}  // namespace

Result<const JsonDocument*> ModuleReader::Config() {
  if (!config_) {
    AKIN_TRY_ASSIGN(JsonDocument document, input_.ReadJson(kConfigFile));
    AKIN_TRY(document.root().AsObject());
    config_.emplace(std::move(document));
  }
  return &*config_;
}

Status ModuleReader::Read(const ModuleRow& row, Head& head) {
  if (row.type == "Normalize") return Add(Module(Normalize{row.path}), head);
  if (row.type == "Pooling") return Add(LoadPooling(directory_, row.path), head);
  if (row.type == "Dense") return Add(LoadDense(directory_, row.path, result_.weights), head);
  if (row.type == "LayerNorm")
    return Add(LoadLayerNorm(directory_, row.path, result_.weights), head);
  if (row.type == "SpladePooling") return ReadSplade(row, head);
  if (row.type == "MultiVectorMask") return ReadMask(row);
  if (row.type == "Dropout") return {};  // Only in training.
  return UnsupportedModel("modules.json: a second ", row.type, " in folder '", row.path,
                          "'; supported: one, the first module");
}

Status ModuleReader::ReadMaskedLm() {
  Head head;
  AKIN_TRY(AddSplade({}, head));
  result_.kind = ModelKind::kSparse;
  result_.heads.push_back(std::move(head));
  return {};
}

Status ModuleReader::ReadClassifier() {
  AKIN_TRY_ASSIGN(const JsonDocument* const config, Config());
  result_.heads.push_back({Output::kScores, {}});
  if (WeightsAreInOnnxFiles()) {
    AKIN_TRY_ASSIGN(ClassificationHead labels, ReadClassificationLabels(config->root()));
    return Set(std::move(labels), result_.heads.back());
  }
  AKIN_TRY_ASSIGN(TensorIndex tensors, TensorIndex::Open(input_));
  AKIN_TRY_ASSIGN(ClassificationHead head, LoadClassificationHead(config->root(), tensors));
  result_.weights.push_back(std::move(tensors));
  return Set(std::move(head), result_.heads.back());
}

Status ModuleReader::AddOnnxHead() {
  if (!WeightsAreInOnnxFiles()) return {};
  for (Head& head : result_.heads) {
    if (head.output == Output::kScores && head.modules.empty()) return AddOnnxClassifier(head);
    const auto place = std::ranges::find_if(head.modules, [](const Module& module) {
      const auto* const pooling = std::get_if<VocabularyPooling>(&module);
      return pooling != nullptr && pooling->weight.empty();
    });
    if (place != head.modules.end()) return AddOnnxMaskedLm(head, place);
  }
  return {};
}

Result<ScoreActivation> ModuleReader::ScoreActivationOr(ScoreActivation otherwise) const {
  if (!directory_.Exists(kModulesFile)) return otherwise;
  AKIN_TRY_ASSIGN(const auto document, directory_.ReadJsonIfExists(kSentenceConfigFile));
  if (!document) return otherwise;
  AKIN_TRY(document->root().AsObject());
  const auto value = document->root().Find("activation_fn");
  return value && !value->is_null() ? ParseScoreActivation(*value) : otherwise;
}

bool ModuleReader::WeightsAreInOnnxFiles() const {
  return !HasSafetensors(input_) && !ListOnnxFiles(input_).empty();
}

Status ModuleReader::Set(ClassificationHead classifier, Head& head) {
  result_.kind = classifier.labels.size() == 1 ? ModelKind::kReranker : ModelKind::kClassifier;
  result_.labels = std::move(classifier.labels);
  AKIN_TRY_ASSIGN(result_.score_activation, ScoreActivationOr(classifier.activation));
  head.modules = std::move(classifier.modules);
  return {};
}

Status ModuleReader::AddOnnxClassifier(Head& head) {
  AKIN_TRY_ASSIGN(const JsonDocument* const config, Config());
  AKIN_TRY_ASSIGN(auto found, LoadOnnxClassifier(input_, config->root()));
  if (!found) return {};
  result_.weights.push_back(std::move(found->tensors));
  return Set(std::move(found->head), head);
}

Status ModuleReader::AddOnnxMaskedLm(Head& head, std::vector<Module>::iterator place) {
  AKIN_TRY_ASSIGN(const JsonDocument* const config, Config());
  auto& pooling = std::get<VocabularyPooling>(*place);
  AKIN_TRY_ASSIGN(auto found, LoadOnnxMaskedLm(input_, config->root(), pooling));
  if (!found) return {};
  head.modules.insert(place, std::move_iterator(found->modules.begin()),
                      std::move_iterator(found->modules.end()));
  result_.weights.push_back(std::move(found->tensors));
  return {};
}

Status ModuleReader::Add(Result<Module> module, Head& head) {
  if (!module) return module.error();
  head.modules.push_back(std::move(*module));
  return {};
}

Status ModuleReader::ReadSplade(const ModuleRow& row, Head& head) {
  AKIN_TRY_ASSIGN(const JsonDocument document, directory_.ReadJson(row.path + "/config.json"));
  VocabularyPooling pooling{.folder = row.path};
  AKIN_TRY_ASSIGN(pooling.sum, OneOf(document.root(), "pooling_strategy", "max", "sum"));
  AKIN_TRY_ASSIGN(pooling.log_twice,
                  OneOf(document.root(), "activation_function", "relu", "log1p_relu"));
  return AddSplade(std::move(pooling), head);
}

Status ModuleReader::AddSplade(VocabularyPooling pooling, Head& head) {
  AKIN_TRY_ASSIGN(const JsonDocument* const config, Config());
  head.output = Output::kSparse;
  if (!WeightsAreInOnnxFiles()) {
    AKIN_TRY_ASSIGN(TensorIndex tensors, TensorIndex::Open(input_));
    AKIN_TRY_ASSIGN(std::vector<Module> modules,
                    LoadMaskedLmHead(config->root(), tensors, pooling));
    result_.weights.push_back(std::move(tensors));
    std::ranges::move(modules, std::back_inserter(head.modules));
  }  // Or else AddOnnxHead, or whoever runs the graph gives the logits.
  head.modules.push_back(std::move(pooling));
  return {};
}

Status ModuleReader::ReadMask(const ModuleRow& row) {
  AKIN_TRY_ASSIGN(const JsonDocument document, directory_.ReadJson(row.path + "/config.json"));
  const JsonValue root = document.root();
  if (const auto keep = root.Find("keep_only_token_ids"); keep && !keep->is_null()) {
    return UnsupportedModel(keep->Where(), " is set; only texts are supported");
  }
  if (const auto tasks = root.Find("skiplist_tasks"); tasks && tasks->is_array()) {
    for (const JsonValue task : tasks->elements())
      result_.late.skip_in_queries |= task.AsString().value_or("") == "query";
  }
  return ReadSkiplist(root);
}

Status ModuleReader::ReadSkiplist(JsonValue root) {
  const auto words = root.Find("skiplist_words");
  if (!words || words->is_null()) return {};
  AKIN_TRY_ASSIGN(const auto elements, words->AsArray());
  result_.late.skiplist_words.clear();
  for (const JsonValue word : elements) {
    AKIN_TRY_ASSIGN(const std::string_view text, word.AsString());
    result_.late.skiplist_words.emplace_back(text);
  }
  return {};
}

}  // namespace akin::model

// Reads the modules of a model folder one after the other.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/result.h"

#include "formats/json.h"
#include "model/heads.h"
#include "model/model_directory.h"
#include "model/module_rows.h"
#include "model/sentence_modules.h"

namespace akin::model {

inline constexpr std::string_view kConfigFile = "config.json";
inline constexpr std::string_view kModulesFile = "modules.json";
inline constexpr std::string_view kSentenceConfigFile = "config_sentence_transformers.json";

// What it finds goes into `result`.
class ModuleReader {
 public:
  // `input` is the folder of the first module, with its config.json and weights.
  ModuleReader(const ModelDirectory& directory, ModelDirectory input, SentenceModules& result)
      : directory_(directory), input_(std::move(input)), result_(result) {}

  const ModelDirectory& input() const { return input_; }
  // The encoder's own config.json.
  Result<const formats::JsonDocument*> Config();

  // A module behind the first one.
  Status Read(const ModuleRow& row, Head& head);
  // Of a folder that does not say it: the largest weight over the tokens, as sentence-transformers'
  // SparseEncoder has it.
  Status ReadMaskedLm();
  Status ReadClassifier();
  Status ReadSkiplist(formats::JsonValue root);
  // As model::AddOnnxHead.
  Status AddOnnxHead();

 private:
  // What sentence-transformers writes beside modules.json since version 6 goes before config.json;
  // without modules.json it does not read it.
  Result<ScoreActivation> ScoreActivationOr(ScoreActivation otherwise) const;
  bool WeightsAreInOnnxFiles() const;
  // `head`: of kScores.
  Status Set(ClassificationHead classifier, Head& head);
  Status AddOnnxClassifier(Head& head);
  // `place`: of the VocabularyPooling.
  Status AddOnnxMaskedLm(Head& head, std::vector<Module>::iterator place);
  Status Add(Result<Module> module, Head& head);
  Status ReadSplade(const ModuleRow& row, Head& head);
  Status AddSplade(VocabularyPooling pooling, Head& head);
  Status ReadMask(const ModuleRow& row);

  const ModelDirectory& directory_;
  const ModelDirectory input_;
  SentenceModules& result_;
  std::optional<formats::JsonDocument> config_;
};

}  // namespace akin::model

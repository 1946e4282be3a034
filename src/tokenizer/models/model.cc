#include "tokenizer/models/model.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<Model> kModels[] = {
    {"WordLevel", LoadWordLevel},
    {"WordPiece", LoadWordPiece},
    {"BPE", nullptr},
    {"Unigram", nullptr},
};

// The type of a model from before files named it.
std::string_view GuessType(const formats::JsonValue& json) {
  if (json.Find("merges")) return "BPE";
  const auto vocab = json.Find("vocab");
  if (vocab && vocab->is_array()) return "Unigram";
  return json.Find("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

}  // namespace

Result<std::unique_ptr<const Model>> LoadModel(const formats::JsonValue& json) {
  AKIN_TRY(json.AsObject());
  if (json.Find("type")) return LoadStage<Model>(kModels, json);
  const std::string_view type = GuessType(json);
  const StageEntry<Model>* entry = FindStage<Model>(kModels, type);
  if (entry->load != nullptr) return entry->load(json);
  return UnsupportedModel(json.Where(), " has no \"type\" and looks like ", type,
                          ", which is not supported yet");
}

}  // namespace akin::tokenizer

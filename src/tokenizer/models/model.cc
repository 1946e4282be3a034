#include "tokenizer/models/model.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<Model> kModels[] = {
    {"BPE", LoadBpe},
    {"Unigram", LoadUnigram},
    {"WordLevel", LoadWordLevel},
    {"WordPiece", LoadWordPiece},
};

constexpr size_t kKeptElements = size_t{1} << 18;

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
  return FindStage<Model>(kModels, GuessType(json))->load(json);
}

void ModelScratch::Trim() {
  if (symbols.capacity() > kKeptElements) symbols = {};
  if (queue.capacity() > kKeptElements) queue = {};
  if (path.capacity() > kKeptElements) path = {};
  if (mapped.capacity() > kKeptElements) mapped = {};
}

}  // namespace akin::tokenizer

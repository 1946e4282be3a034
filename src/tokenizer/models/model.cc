#include "tokenizer/models/model.h"

#include <type_traits>

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
  const auto trim = [](auto& memory) {
    if (memory.capacity() > kKeptElements) std::remove_cvref_t<decltype(memory)>().swap(memory);
  };
  trim(symbols);
  trim(queue);
  trim(path);
  trim(mapped);
}

}  // namespace akin::tokenizer

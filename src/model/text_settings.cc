#include "model/text_settings.h"

#include <algorithm>
#include <climits>

#include "base/strings.h"
#include "formats/json.h"
#include "model/model_directory.h"

namespace akin::model {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

Result<std::optional<JsonValue>> FindValue(const std::optional<JsonDocument>& document,
                                           std::string_view key) {
  if (!document) return std::optional<JsonValue>();
  AKIN_TRY(document->root().AsObject());
  const auto value = document->root().Find(key);
  return value && !value->is_null() ? value : std::nullopt;
}

Status ReadTransformerSettings(const ModelDirectory& directory, TextSettings& settings) {
  AKIN_TRY_ASSIGN(const auto document, directory.ReadJsonIfExists("sentence_bert_config.json"));
  AKIN_TRY_ASSIGN(const auto max_length, FindValue(document, "max_seq_length"));
  if (max_length) {
    AKIN_TRY_ASSIGN(const int64_t length, max_length->AsIntIn(1, INT_MAX));
    settings.max_seq_length = static_cast<int>(length);
  }
  AKIN_TRY_ASSIGN(const auto lower_case, FindValue(document, "do_lower_case"));
  if (lower_case) {
    AKIN_TRY_ASSIGN(settings.lower_case, lower_case->AsBool());
  }
  return {};
}

Status ReadTokenizerSettings(const ModelDirectory& directory, TextSettings& settings) {
  AKIN_TRY_ASSIGN(const auto document, directory.ReadJsonIfExists("tokenizer_config.json"));
  AKIN_TRY_ASSIGN(const auto max_length, FindValue(document, "model_max_length"));
  if (max_length) {
    AKIN_TRY_ASSIGN(settings.model_max_length, max_length->AsDouble());
    if (*settings.model_max_length < 1.0) {
      return InvalidModel(max_length->Where(), " is ", max_length->Found(),
                          ", expected at least 1");
    }
  }
  AKIN_TRY_ASSIGN(const auto side, FindValue(document, "truncation_side"));
  if (side) {
    AKIN_TRY_ASSIGN(const std::string_view name, side->AsString());
    if (name != "left" && name != "right") {
      return InvalidModel(side->Where(), " is ", side->Found(), ", expected \"left\" or \"right\"");
    }
    settings.truncation_side = name == "left" ? TruncationSide::kLeft : TruncationSide::kRight;
  }
  return {};
}

Status ReadPrompts(const std::optional<JsonDocument>& document, TextSettings& settings) {
  AKIN_TRY_ASSIGN(const auto prompts, FindValue(document, "prompts"));
  if (prompts) {
    AKIN_TRY_ASSIGN(const auto entries, prompts->AsObject());
    for (const JsonValue entry : entries) {
      if (entry.is_null()) continue;
      AKIN_TRY_ASSIGN(const std::string_view text, entry.AsString());
      settings.prompts.push_back({std::string(entry.key()), std::string(text)});
    }
  }
  AKIN_TRY_ASSIGN(const auto name, FindValue(document, "default_prompt_name"));
  if (!name) return {};
  AKIN_TRY_ASSIGN(const std::string_view name_text, name->AsString());
  if (std::ranges::find(settings.prompts, name_text, &NamedPrompt::name) ==
      settings.prompts.end()) {
    return InvalidModel(name->Where(), " is ", name->Found(), ", which \"prompts\" does not have");
  }
  settings.default_prompt_name = std::string(name_text);
  return {};
}

Result<std::optional<int>> FindCount(const std::optional<JsonDocument>& document,
                                     std::string_view key) {
  AKIN_TRY_ASSIGN(const auto value, FindValue(document, key));
  if (!value) return std::optional<int>();
  AKIN_TRY_ASSIGN(const int64_t count, value->AsIntIn(1, INT_MAX));
  return std::optional<int>(static_cast<int>(count));
}

Status ReadVectorSettings(const std::optional<JsonDocument>& document, TextSettings& settings) {
  AKIN_TRY_ASSIGN(const auto similarity, FindValue(document, "similarity_fn_name"));
  if (similarity) {
    AKIN_TRY_ASSIGN(const std::string_view name, similarity->AsString());
    settings.similarity = std::string(name);
  }
  AKIN_TRY_ASSIGN(settings.truncate_dim, FindCount(document, "truncate_dim"));
  AKIN_TRY_ASSIGN(settings.max_active_dims, FindCount(document, "max_active_dims"));
  return {};
}

}  // namespace

int TextSettings::MaxTokens(int max_positions) const {
  // Models exist whose limit is beyond their positions; what cannot be computed is cut.
  if (max_seq_length) return std::min(*max_seq_length, max_positions);
  const double limit = model_max_length.value_or(max_positions);
  return limit < max_positions ? static_cast<int>(limit) : max_positions;
}

Result<TextSettings> LoadTextSettings(const ModelDirectory& directory,
                                      const ModelDirectory& input) {
  TextSettings settings;
  AKIN_TRY(ReadTransformerSettings(input, settings));
  AKIN_TRY(ReadTokenizerSettings(input, settings));
  AKIN_TRY_ASSIGN(const auto document,
                  directory.ReadJsonIfExists("config_sentence_transformers.json"));
  AKIN_TRY(ReadPrompts(document, settings));
  AKIN_TRY(ReadVectorSettings(document, settings));
  return settings;
}

}  // namespace akin::model

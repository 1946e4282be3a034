#include <limits>
#include <optional>

#include "tokenizer/post_processors/post_processor.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;
constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();

// Appends the tokens of the special token `name`, one or several, as "special_tokens" defines it.
Status AddSpecialToken(const JsonValue& special_tokens, const JsonValue& name, int32_t type_id,
                       std::vector<TemplateItem>& items) {
  AKIN_TRY_ASSIGN(const std::string_view key, name.AsString());
  const std::optional<JsonValue> definition = special_tokens.Find(key);
  if (!definition) {
    return InvalidModel(name.Where(), " is ", name.Found(),
                        ", which special_tokens does not define");
  }
  AKIN_TRY_ASSIGN(const JsonValue ids_json, definition->Get("ids"));
  AKIN_TRY_ASSIGN(const JsonValue tokens_json, definition->Get("tokens"));
  AKIN_TRY_ASSIGN(const auto ids, ids_json.AsArray());
  AKIN_TRY_ASSIGN(const auto tokens, tokens_json.AsArray());
  if (ids_json.size() != tokens_json.size()) {
    return InvalidModel(definition->Where(), " has ", ids_json.size(), " ids and ",
                        tokens_json.size(), " tokens");
  }
  auto token_json = tokens.begin();
  for (const JsonValue id_json : ids) {
    AKIN_TRY_ASSIGN(const int64_t id, id_json.AsIntIn(0, kMaxId));
    AKIN_TRY_ASSIGN(const std::string_view token, (*token_json).AsString());
    items.push_back(
        {.type_id = type_id, .id = static_cast<int32_t>(id), .token = std::string(token)});
    ++token_json;
  }
  return {};
}

// One item is {"SpecialToken": {"id", "type_id"}} or {"Sequence": {"id": "A" or "B", "type_id"}}.
Status AddItem(const JsonValue& special_tokens, const JsonValue& json, bool is_pair,
               std::vector<TemplateItem>& items) {
  const std::optional<JsonValue> special = json.Find("SpecialToken");
  const std::optional<JsonValue> sequence = json.Find("Sequence");
  if (special.has_value() == sequence.has_value()) {
    return InvalidModel(json.Where(), " is ", json.Found(),
                        ", expected a SpecialToken or a Sequence");
  }
  const JsonValue& item = special ? *special : *sequence;
  AKIN_TRY_ASSIGN(const JsonValue name, item.Get("id"));
  AKIN_TRY_ASSIGN(const int64_t type_id, GetInt(item, "type_id", 0, kMaxId));
  if (special) return AddSpecialToken(special_tokens, name, static_cast<int32_t>(type_id), items);
  AKIN_TRY_ASSIGN(const std::string_view which, name.AsString());
  if (which != "A" && !(is_pair && which == "B")) {
    return InvalidModel(name.Where(), " is ", name.Found(),
                        is_pair ? ", expected A or B" : ", expected A");
  }
  items.push_back(
      {.is_text = true, .is_second = which == "B", .type_id = static_cast<int32_t>(type_id)});
  return {};
}

Result<std::vector<TemplateItem>> ReadTemplate(const JsonValue& json, std::string_view key) {
  AKIN_TRY_ASSIGN(const JsonValue special_tokens, json.Get("special_tokens"));
  AKIN_TRY(special_tokens.AsObject());
  AKIN_TRY_ASSIGN(const JsonValue list, json.Get(key));
  AKIN_TRY_ASSIGN(const auto elements, list.AsArray());
  std::vector<TemplateItem> items;
  for (const JsonValue element : elements) {
    AKIN_TRY(AddItem(special_tokens, element, key == "pair", items));
  }
  return items;
}

}  // namespace

Result<std::unique_ptr<const PostProcessor>> LoadTemplateProcessing(const JsonValue& json) {
  AKIN_TRY_ASSIGN(std::vector<TemplateItem> single, ReadTemplate(json, "single"));
  AKIN_TRY_ASSIGN(std::vector<TemplateItem> pair, ReadTemplate(json, "pair"));
  return MakeStage<PostProcessor, PostProcessor>(
      PostProcessor::Parts{.single = std::move(single), .pair = std::move(pair)});
}

}  // namespace akin::tokenizer

#include <limits>
#include <optional>
#include <unordered_map>

#include "tokenizer/models/hash.h"
#include "tokenizer/post_processors/post_processor.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;
constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();

// A file must not decide how many tokens an empty text has, or how often a long one is repeated.
constexpr size_t kMaxSpecialTokens = 1024;
constexpr int kMaxTexts = 16;  // Places of "A" and "B".

// Reads "single" and "pair".
class TemplateReader {
 public:
  // `special_tokens` is the object that defines them.
  explicit TemplateReader(const JsonValue& special_tokens) {
    for (const JsonValue member : special_tokens.elements()) {
      definitions_.insert_or_assign(member.key(), member);
    }
  }

  Result<Template> Read(const JsonValue& list, bool is_pair) const;

 private:
  Status AddItem(const JsonValue& json, bool is_pair, Template& items) const;
  Status AddSpecialToken(const JsonValue& name, int32_t type_id, Template& items) const;

  std::unordered_map<std::string_view, JsonValue, SeededHash> definitions_;
};

Result<Template> TemplateReader::Read(const JsonValue& list, bool is_pair) const {
  AKIN_TRY_ASSIGN(const auto elements, list.AsArray());
  Template items;
  int num_texts = 0;
  for (const JsonValue element : elements) {
    const size_t before = items.size();
    AKIN_TRY(AddItem(element, is_pair, items));
    num_texts += items.size() > before && items.back().is_text;
    if (num_texts <= kMaxTexts) continue;
    return UnsupportedModel(list.Where(), " has more than ", kMaxTexts,
                            " places for a text, which is the most that is supported");
  }
  return items;
}

// One item is {"SpecialToken": {"id", "type_id"}} or {"Sequence": {"id": "A" or "B", "type_id"}}.
Status TemplateReader::AddItem(const JsonValue& json, bool is_pair, Template& items) const {
  const std::optional<JsonValue> special = json.Find("SpecialToken");
  const std::optional<JsonValue> sequence = json.Find("Sequence");
  if (special.has_value() == sequence.has_value()) {
    return InvalidModel(json.Where(), " is ", json.Found(),
                        ", expected a SpecialToken or a Sequence");
  }
  const JsonValue& item = special ? *special : *sequence;
  AKIN_TRY_ASSIGN(const JsonValue name, item.Get("id"));
  AKIN_TRY_ASSIGN(const int64_t type_id, GetInt(item, "type_id", 0, kMaxId));
  if (special) return AddSpecialToken(name, static_cast<int32_t>(type_id), items);
  AKIN_TRY_ASSIGN(const std::string_view which, name.AsString());
  if (which != "A" && !(is_pair && which == "B")) {
    return InvalidModel(name.Where(), " is ", name.Found(),
                        is_pair ? ", expected A or B" : ", expected A");
  }
  items.push_back(
      {.is_text = true, .is_second = which == "B", .type_id = static_cast<int32_t>(type_id)});
  return {};
}

// Appends the tokens of the special token `name`, one or several.
Status TemplateReader::AddSpecialToken(const JsonValue& name, int32_t type_id,
                                       Template& items) const {
  AKIN_TRY_ASSIGN(const std::string_view key, name.AsString());
  const auto found = definitions_.find(key);
  if (found == definitions_.end()) {
    return InvalidModel(name.Where(), " is ", name.Found(),
                        ", which special_tokens does not define");
  }
  const JsonValue& definition = found->second;
  AKIN_TRY_ASSIGN(const JsonValue ids_json, definition.Get("ids"));
  AKIN_TRY_ASSIGN(const JsonValue tokens_json, definition.Get("tokens"));
  AKIN_TRY_ASSIGN(const auto ids, ids_json.AsArray());
  AKIN_TRY_ASSIGN(const auto tokens, tokens_json.AsArray());
  if (ids_json.size() != tokens_json.size()) {
    return InvalidModel(definition.Where(), " has ", ids_json.size(), " ids and ",
                        tokens_json.size(), " tokens");
  }
  if (items.size() + ids_json.size() > kMaxSpecialTokens) {
    return UnsupportedModel(name.Where(), " brings the template to ",
                            items.size() + ids_json.size(), " tokens, at most ", kMaxSpecialTokens,
                            " are supported");
  }
  auto token_json = tokens.begin();
  for (const JsonValue id_json : ids) {
    AKIN_TRY_ASSIGN(const int64_t id, id_json.AsIntIn(0, kMaxId));
    AKIN_TRY_ASSIGN(const std::string_view token, ReadSpecialToken(*token_json));
    items.push_back(
        {.type_id = type_id, .id = static_cast<int32_t>(id), .token = std::string(token)});
    ++token_json;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<const PostProcessor>> LoadTemplateProcessing(const JsonValue& json) {
  AKIN_TRY_ASSIGN(const JsonValue special_tokens, json.Get("special_tokens"));
  AKIN_TRY(special_tokens.AsObject());
  const TemplateReader reader(special_tokens);
  AKIN_TRY_ASSIGN(const JsonValue single_json, json.Get("single"));
  AKIN_TRY_ASSIGN(Template single, reader.Read(single_json, false));
  AKIN_TRY_ASSIGN(const JsonValue pair_json, json.Get("pair"));
  AKIN_TRY_ASSIGN(Template pair, reader.Read(pair_json, true));
  return MakeStage<PostProcessor, PostProcessor>(
      PostProcessor::Parts{.single = std::move(single), .pair = std::move(pair)});
}

}  // namespace akin::tokenizer

#include "server/json_reader.h"

#include <simdjson.h>

#include <utility>

#include "server/json_numbers.h"
#include "server/text.h"

namespace akin::server {
namespace {

namespace dom = simdjson::dom;

std::string_view TypeName(const dom::element& value) {
  switch (value.type()) {
    case dom::element_type::ARRAY: return "an array";
    case dom::element_type::OBJECT: return "an object";
    case dom::element_type::STRING: return "a string";
    case dom::element_type::BOOL: return "a boolean";
    case dom::element_type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

Error WrongType(std::string_view key, const dom::element& value, std::string_view expected) {
  return InvalidField(key, " is ", TypeName(value), ", expected ", expected);
}

// Also as BoundNumbers has written it.
bool IsBeyondInt64(const dom::element& value) {
  constexpr double kLimit = 0x1p63;
  double number = 0;
  if (value.type() == dom::element_type::UINT64) return true;  // Less is INT64.
  return value.type() == dom::element_type::DOUBLE && !value.get(number) &&
         (number >= kLimit || number < -kLimit);
}

Error BeyondInt64(std::string_view key) {
  return InvalidField(key, " has a number beyond 64 bits, expected a whole one within them");
}

Result<std::string> ToText(std::string_view key, const dom::element& value) {
  std::string_view text;
  if (value.get(text)) return WrongType(key, value, "a string");
  return std::string(text);
}

Result<std::vector<int32_t>> ToIds(std::string_view key, const dom::array& array) {
  std::vector<int32_t> ids;
  ids.reserve(array.size());
  for (const dom::element value : array) {
    int64_t id = 0;
    if (IsBeyondInt64(value)) return BeyondInt64(key);
    if (value.type() == dom::element_type::DOUBLE)
      return InvalidField(key,
                          " has a number that is not written as a whole one, expected token ids");
    if (value.get(id)) return WrongType(key, value, "a token id");
    if (id < 0 || id > INT32_MAX) {
      return InvalidField(key, " has the token id ", id, ", which no vocabulary has");
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

Result<TextOrIds> ToTextOrIds(std::string_view key, const dom::element& value) {
  TextOrIds item;
  dom::array array;
  if (!value.get(array)) {
    item.is_ids = true;
    AKIN_TRY_ASSIGN(item.ids, ToIds(key, array));
    return item;
  }
  std::string_view text;
  if (value.get(text)) return WrongType(key, value, "a string or an array of token ids");
  item.text = text;
  return item;
}

bool BeginsWithNumber(const dom::array& array) {
  for (const dom::element value : array) return value.is_number();
  return false;
}

size_t CountItemsOf(const dom::element& value) {
  size_t items = 0;
  dom::array array;
  dom::object object;
  if (!value.get(array)) {
    if (!BeginsWithNumber(array)) items = array.size();
  } else if (!value.get(object)) {
    for (const auto [name, member] : object) items += CountItemsOf(member);
  }
  return items;
}

}  // namespace

struct JsonRequest::Document {
  std::string body;  // With simdjson's padding behind it.
  dom::parser parser;
  std::shared_ptr<const Document> parent;  // Of an object within another one.
  dom::object object;
  size_t most_items = SIZE_MAX;
  std::shared_ptr<bool> has_too_many = std::make_shared<bool>(false);  // Of the whole body.

  static std::shared_ptr<Document> Within(const std::shared_ptr<const Document>& parent) {
    const auto document = std::make_shared<Document>();
    document->parent = parent;
    document->most_items = parent->most_items;
    document->has_too_many = parent->has_too_many;
    return document;
  }

  // To be asked before a list's items are read: each costs as much as a short text.
  Status CheckLength(std::string_view key, const dom::array& array) const {
    if (array.size() <= std::max(most_items, kFewItems)) return {};
    *has_too_many = true;
    return Error(ErrorCode::kInvalidInput,
                 StrCat("batch size ", array.size(), " > maximum allowed batch size ", most_items))
        .Of(std::string(key));
  }

  std::optional<dom::element> Find(std::string_view key) const {
    std::optional<dom::element> found;
    for (const auto [name, value] : object) {
      if (name == key) found = value;
    }
    return found && !found->is_null() ? found : std::nullopt;
  }
};

JsonRequest::JsonRequest(std::shared_ptr<const Document> document)
    : document_(std::move(document)) {}
JsonRequest::JsonRequest(JsonRequest&&) noexcept = default;
JsonRequest& JsonRequest::operator=(JsonRequest&&) noexcept = default;
JsonRequest::~JsonRequest() = default;

Result<JsonRequest> JsonRequest::Parse(std::string body, size_t most_items) {
  const auto document = std::make_shared<Document>();
  document->most_items = most_items;
  const size_t size = body.size();
  document->body = std::move(body);
  document->body.resize(size + simdjson::SIMDJSON_PADDING, ' ');
  dom::element root;
  simdjson::error_code error = document->parser.allocate(std::max<size_t>(size, 64), kMaxJsonDepth);
  const auto parse = [&] {
    return document->parser.parse(document->body.data(), size, false).get(root);
  };
  if (!error) error = parse();
  // Which error a large number is, versions of simdjson do not agree.
  if (error && error != simdjson::DEPTH_ERROR &&
      BoundNumbers(std::span(document->body).first(size))) {
    error = parse();
  }
  if (error == simdjson::DEPTH_ERROR) {
    return InvalidInput("the body is nested deeper than ", kMaxJsonDepth, " levels");
  }
  if (error) return InvalidInput("the body is not JSON: ", simdjson::error_message(error));
  if (root.get(document->object)) return InvalidInput("the body is no JSON object");
  return JsonRequest(document);
}

bool JsonRequest::has_too_many() const { return *document_->has_too_many; }

bool JsonRequest::Has(std::string_view key) const { return document_->Find(key).has_value(); }

bool JsonRequest::IsArray(std::string_view key) const {
  const auto value = document_->Find(key);
  return value && value->is_array();
}

Result<std::optional<bool>> JsonRequest::Bool(std::string_view key) const {
  const auto value = document_->Find(key);
  if (!value) return std::optional<bool>();
  bool flag = false;
  if (value->get(flag)) return WrongType(key, *value, "true or false");
  return std::optional(flag);
}

Result<std::optional<int64_t>> JsonRequest::Int(std::string_view key) const {
  const auto value = document_->Find(key);
  if (!value) return std::optional<int64_t>();
  int64_t number = 0;
  if (IsBeyondInt64(*value)) return BeyondInt64(key);
  if (value->get(number)) return WrongType(key, *value, "a whole number");
  return std::optional(number);
}

Result<std::optional<std::string>> JsonRequest::String(std::string_view key) const {
  const auto value = document_->Find(key);
  if (!value) return std::optional<std::string>();
  AKIN_TRY_ASSIGN(std::string text, ToText(key, *value));
  return std::optional(std::move(text));
}

Result<std::optional<std::vector<std::string>>> JsonRequest::Strings(std::string_view key) const {
  const auto value = document_->Find(key);
  if (!value) return std::optional<std::vector<std::string>>();
  dom::array array;
  if (value->get(array)) return WrongType(key, *value, "an array of strings");
  AKIN_TRY(document_->CheckLength(key, array));
  std::vector<std::string> texts;
  for (const dom::element item : array) {
    AKIN_TRY_ASSIGN(std::string text, ToText(key, item));
    texts.push_back(std::move(text));
  }
  return std::optional(std::move(texts));
}

Status JsonRequest::CheckFew(std::string_view key) const {
  const auto value = document_->Find(key);
  dom::array array;
  if (!value || value->get(array) || array.size() <= kFewItems) return {};
  return InvalidField(key, " has ", array.size(), " items, expected at most ", kFewItems);
}

Result<std::optional<std::vector<std::string>>> JsonRequest::StringOrStrings(
    std::string_view key) const {
  const auto value = document_->Find(key);
  if (!value || value->is_array()) return Strings(key);
  if (!value->is_string()) return WrongType(key, *value, "a string or an array of strings");
  AKIN_TRY_ASSIGN(std::string text, ToText(key, *value));
  return std::optional(std::vector<std::string>{std::move(text)});
}

Result<std::optional<std::vector<std::string>>> JsonRequest::StringsOrObjects(
    std::string_view key, std::string_view field) const {
  const auto value = document_->Find(key);
  if (!value) return std::optional<std::vector<std::string>>();
  dom::array array;
  if (value->get(array)) return WrongType(key, *value, "an array");
  AKIN_TRY(document_->CheckLength(key, array));
  std::vector<std::string> texts;
  for (const dom::element item : array) {
    dom::element text = item;
    if (item.is_object() && item.at_key(field).get(text)) {
      return InvalidField(key, " has an object without `", field, '`');
    }
    AKIN_TRY_ASSIGN(std::string words, ToText(key, text));
    texts.push_back(std::move(words));
  }
  return std::optional(std::move(texts));
}

Result<std::optional<Inputs>> JsonRequest::TextsOrIds(std::string_view key) const {
  const auto value = document_->Find(key);
  if (!value) return std::optional<Inputs>();
  Inputs inputs;
  dom::array array;
  if (value->get(array) || BeginsWithNumber(array)) {
    AKIN_TRY_ASSIGN(TextOrIds item, ToTextOrIds(key, *value));
    inputs.items.push_back(std::move(item));
    return std::optional(std::move(inputs));
  }
  AKIN_TRY(document_->CheckLength(key, array));
  inputs.is_list = true;
  for (const dom::element element : array) {
    AKIN_TRY_ASSIGN(TextOrIds item, ToTextOrIds(key, element));
    inputs.items.push_back(std::move(item));
  }
  return std::optional(std::move(inputs));
}

Result<std::optional<std::vector<std::vector<int32_t>>>> JsonRequest::Ids(std::string_view key,
                                                                          bool& is_list) const {
  AKIN_TRY_ASSIGN(std::optional<Inputs> inputs, TextsOrIds(key));
  if (!inputs) return std::optional<std::vector<std::vector<int32_t>>>();
  is_list = inputs->is_list;
  std::vector<std::vector<int32_t>> lists;
  for (TextOrIds& item : inputs->items) {
    if (!item.is_ids) return InvalidField(key, " has a string, expected token ids");
    lists.push_back(std::move(item.ids));
  }
  return std::optional(std::move(lists));
}

Result<std::optional<std::vector<std::vector<std::string>>>> JsonRequest::TextsOrPairs(
    std::string_view key, bool& is_list) const {
  using Lists = std::vector<std::vector<std::string>>;
  const auto value = document_->Find(key);
  is_list = false;
  if (!value) return std::optional<Lists>();
  const auto read = [&](const dom::element& item) -> Result<std::vector<std::string>> {
    dom::array array;
    if (item.get(array)) {
      AKIN_TRY_ASSIGN(std::string text, ToText(key, item));
      return std::vector<std::string>{std::move(text)};
    }
    if (array.size() == 0 || array.size() > 2) {
      return InvalidField(key, " has a list of ", array.size(), " texts, expected 1 or 2");
    }
    std::vector<std::string> texts;
    for (const dom::element part : array) {
      AKIN_TRY_ASSIGN(std::string text, ToText(key, part));
      texts.push_back(std::move(text));
    }
    return texts;
  };
  dom::array array;
  dom::element first;
  const bool nested = !value->get(array) && !value->at(0).get(first) && first.is_array();
  Lists lists;
  if (!nested) {
    AKIN_TRY_ASSIGN(std::vector<std::string> texts, read(*value));
    lists.push_back(std::move(texts));
    return std::optional(std::move(lists));
  }
  AKIN_TRY(document_->CheckLength(key, array));
  is_list = true;
  for (const dom::element item : array) {
    AKIN_TRY_ASSIGN(std::vector<std::string> texts, read(item));
    lists.push_back(std::move(texts));
  }
  return std::optional(std::move(lists));
}

Result<std::optional<JsonRequest>> JsonRequest::Object(std::string_view key) const {
  const auto value = document_->Find(key);
  if (!value) return std::optional<JsonRequest>();
  const auto document = Document::Within(document_);
  if (value->get(document->object)) return WrongType(key, *value, "an object");
  return std::optional<JsonRequest>(JsonRequest(document));
}

Result<std::optional<std::vector<JsonRequest>>> JsonRequest::Objects(std::string_view key) const {
  const auto value = document_->Find(key);
  if (!value) return std::optional<std::vector<JsonRequest>>();
  dom::array array;
  if (value->get(array)) return WrongType(key, *value, "an array of objects");
  AKIN_TRY(document_->CheckLength(key, array));
  std::vector<JsonRequest> objects;
  for (const dom::element item : array) {
    const auto document = Document::Within(document_);
    if (item.get(document->object)) return WrongType(key, item, "an object");
    objects.push_back(JsonRequest(document));
  }
  return std::optional<std::vector<JsonRequest>>(std::move(objects));
}

size_t JsonRequest::CountItems() const {
  size_t items = 0;
  for (const auto [name, value] : document_->object) items += CountItemsOf(value);
  return items;
}

std::string JsonRequest::Text() const { return simdjson::minify(document_->object); }

}  // namespace akin::server

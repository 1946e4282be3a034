#include "cli/bridge_request.h"

#include <simdjson.h>

#include "cli/strings.h"

namespace akin::cli {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr size_t kMaxDepth = 32;  // The same as for other JSON lines.

// The last member of that name that is not null.
std::optional<element> Find(const object& members, std::string_view name) {
  std::optional<element> found;
  for (const auto field : members) {
    if (field.key == name)
      found = field.value.is_null() ? std::nullopt : std::optional(field.value);
  }
  return found;
}

// What stands there, never its content, which may be a text that nobody else is to see.
std::string_view TypeName(const element& value) {
  using simdjson::dom::element_type;
  switch (value.type()) {
    case element_type::ARRAY: return "an array";
    case element_type::OBJECT: return "an object";
    case element_type::STRING: return "a string";
    case element_type::BOOL: return "true or false";
    case element_type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

template <typename Value>
Result<Value> As(const element& value, std::string_view name, std::string_view expected) {
  Value out{};
  if (value.get(out) != simdjson::SUCCESS)
    return InvalidInput('"', name, "\" is ", TypeName(value), ", expected ", expected);
  return out;
}

Result<BridgeMethod> MethodOf(const object& request) {
  const auto member = Find(request, "method");
  if (!member) return InvalidInput("\"method\" is missing");
  AKIN_TRY_ASSIGN(const auto name, As<std::string_view>(*member, "method", "a string"));
  if (name == "ping") return BridgeMethod::kPing;
  if (name == "load_model") return BridgeMethod::kLoadModel;
  if (name == "embed_batch") return BridgeMethod::kEmbedBatch;
  return InvalidInput("unknown method '", name, "', expected ping, load_model or embed_batch");
}

// Versions of the database differ in the name.
Result<std::vector<std::string>> TextsOf(const object& params) {
  const auto named_texts = Find(params, "texts");
  const auto member = named_texts ? named_texts : Find(params, "inputs");
  if (!member) return InvalidInput("\"params.texts\" is missing");
  AKIN_TRY_ASSIGN(const auto values, As<array>(*member, "params.texts", "an array of strings"));
  std::vector<std::string> texts;
  for (const element value : values) {
    AKIN_TRY_ASSIGN(
        const auto text,
        As<std::string_view>(value, StrCat("params.texts[", texts.size(), ']'), "a string"));
    texts.emplace_back(text);
  }
  if (texts.empty()) return InvalidInput("\"params.texts\" is empty");
  return texts;
}

}  // namespace

struct BridgeRequestParser::Impl {
  simdjson::dom::parser parser;
};

BridgeRequestParser::BridgeRequestParser() : impl_(std::make_unique<Impl>()) {}
BridgeRequestParser::~BridgeRequestParser() = default;

Result<BridgeRequest> BridgeRequestParser::Parse(std::string_view line) {
  if (const auto code = impl_->parser.allocate(line.size(), kMaxDepth); code != simdjson::SUCCESS)
    return MakeError(ErrorCode::kInternal, simdjson::error_message(code));
  element document;
  if (const auto code = impl_->parser.parse(line.data(), line.size()).get(document);
      code != simdjson::SUCCESS) {
    return InvalidInput("the request is not JSON: ", simdjson::error_message(code));
  }
  AKIN_TRY_ASSIGN(const auto members, As<object>(document, "request", "an object"));
  BridgeRequest request;
  AKIN_TRY_ASSIGN(request.method, MethodOf(members));
  const auto params_member = Find(members, "params");
  if (!params_member) {
    if (request.method == BridgeMethod::kEmbedBatch) return InvalidInput("\"params\" is missing");
    return request;
  }
  AKIN_TRY_ASSIGN(const auto params, As<object>(*params_member, "params", "an object"));
  if (const auto model = Find(params, "model")) {
    AKIN_TRY_ASSIGN(request.model, As<std::string_view>(*model, "params.model", "a string"));
  }
  if (const auto normalize = Find(params, "normalize")) {
    AKIN_TRY_ASSIGN(request.normalize, As<bool>(*normalize, "params.normalize", "true or false"));
  }
  if (request.method == BridgeMethod::kEmbedBatch) {
    AKIN_TRY_ASSIGN(request.texts, TextsOf(params));
  }
  return request;
}

}  // namespace akin::cli

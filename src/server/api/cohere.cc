// Cohere's dialect: /v1/embed and /v2/embed.
#include <algorithm>
#include <utility>

#include "server/api/options.h"
#include "server/api/vectors.h"
#include "server/app.h"
#include "server/json_writer.h"
#include "server/text.h"
#include "server/trace.h"

namespace akin::server {
namespace {

constexpr size_t kMaxTexts = 96;
struct NamedEncoding {
  std::string name;
  Encoding encoding;
};

struct CohereCall {
  EmbedCall call;
  std::vector<NamedEncoding> types;  // Empty: v1's plain list of floats.
  std::vector<std::string> texts;    // They stand in the answer.
};

Status ReadTruncate(const JsonRequest& body, EmbedOptions& options) {
  AKIN_TRY_ASSIGN(const auto given, body.String("truncate"));
  const std::string truncate = given.value_or("END");
  options.overflow = truncate != "NONE" ? Overflow::kTruncate : Overflow::kError;
  if (truncate == "START") options.truncation_side = TruncationSide::kLeft;
  if (truncate == "END") options.truncation_side = TruncationSide::kRight;
  if (truncate == "NONE" || truncate == "START" || truncate == "END") return {};
  return InvalidInput("truncate must be one of NONE, START or END");
}

Status ReadTypes(const JsonRequest& body, CohereCall& call) {
  AKIN_TRY(body.CheckFew("embedding_types"));
  AKIN_TRY_ASSIGN(auto types, body.Strings("embedding_types"));
  for (const std::string& type : types.value_or(std::vector<std::string>())) {
    const auto encoding = ParseEncoding(type);
    if (!encoding) {
      return InvalidInput("embedding_types has '", type.substr(0, 50),
                          "', expected float, int8, uint8, binary, ubinary or base64");
    }
    if (std::ranges::find(call.types, type, &NamedEncoding::name) == call.types.end())
      call.types.push_back({type, *encoding});
  }
  return {};
}

// Not needed, as in Cohere's v2: its older clients of v1 and vLLM's of v2 leave it out, and get the
// model's default prompt. What is misspelt would get that, too, and a worse vector.
Status ReadInputType(const JsonRequest& body, EmbedCall& call) {
  constexpr std::string_view kTypes[] = {"search_document", "search_query", "classification",
                                         "clustering"};
  AKIN_TRY_ASSIGN(const auto input_type, body.String("input_type"));
  if (input_type == "image" || body.Has("images")) {
    return InvalidInput("this model embeds texts, not images");
  }
  if (!input_type) return {};
  if (std::ranges::find(kTypes, *input_type) == std::end(kTypes)) {
    return InvalidField("input_type", " is '", input_type->substr(0, 50),
                        "', expected search_document, search_query, classification or clustering");
  }
  call.prompts = PromptsOfTask(*input_type);
  return {};
}

// `texts`, or v2's `inputs`: [{"content": [{"type": "text", "text": "..."}]}].
Result<std::vector<std::string>> ReadTexts(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(auto texts, body.Strings("texts"));
  AKIN_TRY_ASSIGN(const auto inputs, body.Objects("inputs"));
  if (texts.has_value() == inputs.has_value()) {
    return InvalidInput(texts ? "texts and inputs exclude each other" : "texts is missing");
  }
  if (texts) return *std::move(texts);
  std::vector<std::string> joined;
  for (const JsonRequest& input : *inputs) {
    AKIN_TRY_ASSIGN(const auto parts, input.Objects("content"));
    if (!parts) return InvalidInput("inputs has an entry without content");
    std::string& text = joined.emplace_back();
    for (const JsonRequest& part : *parts) {
      AKIN_TRY_ASSIGN(const auto words, part.String("text"));
      if (!words) return InvalidInput("this model embeds texts, not images");
      text += StrCat(text.empty() ? "" : "\n", *words);
    }
  }
  return joined;
}

Result<CohereCall> ReadCall(const JsonRequest& body) {
  CohereCall call;
  AKIN_TRY_ASSIGN(const auto model, body.String("model"));
  call.call.model = model.value_or("");
  AKIN_TRY(ReadInputType(body, call.call));
  AKIN_TRY_ASSIGN(call.texts, ReadTexts(body));
  if (call.texts.size() > kMaxTexts) {
    return InvalidInput("texts has ", call.texts.size(), " entries, at most ", kMaxTexts,
                        " are allowed");
  }
  call.call.inputs = TextsAsInputs(call.texts);
  AKIN_TRY(ReadTruncate(body, call.call.options));
  AKIN_TRY(ReadTypes(body, call));
  AKIN_TRY_ASSIGN(call.call.options.max_tokens, ReadPositive(body, "max_tokens"));
  AKIN_TRY_ASSIGN(call.call.options.dimensions, ReadDimensions(body, "output_dimension"));
  call.call.options.normalize = true;
  AKIN_TRY(ReadAdditions(body, call.call.options));
  return call;
}

Result<std::string> Body(const Embeddings& vectors, const CohereCall& call,
                         std::string_view api_version) {
  std::string out;
  out.reserve(JsonBytes(vectors));
  JsonObject answer(out);
  answer.Add("id", RandomHex(32));
  if (call.types.empty()) {
    AKIN_TRY(AppendVectors(answer.Key("embeddings"), vectors, Encoding::kFloat));
  } else {
    JsonObject by_type(answer.Key("embeddings"));
    for (const NamedEncoding& type : call.types) {
      AKIN_TRY(AppendVectors(by_type.Key(type.name), vectors, type.encoding));
    }
  }
  AppendJsonArray(answer.Key("texts"), call.texts.size(),
                  [&](size_t i) { AppendJsonString(out, call.texts[i]); });
  {
    JsonObject meta(answer.Key("meta"));
    JsonObject(meta.Key("api_version")).Add("version", api_version);
    JsonObject(meta.Key("billed_units")).Add("input_tokens", vectors.usage().total_tokens);
  }
  answer.Add("response_type", call.types.empty() ? "embeddings_floats" : "embeddings_by_type");
  answer.Close();
  return out;
}

void EmbedCohere(App& app, const ExchangePtr& exchange, std::string_view api_version) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(CohereCall call, ReadCall(body));
    if (api_version == "2" && call.types.empty()) call.types.push_back({"float", Encoding::kFloat});
    EmbedCall embed = std::move(call.call);
    if (!call.types.empty()) embed.value_bytes = 0;
    for (const NamedEncoding& type : call.types) embed.value_bytes += BytesOfValue(type.encoding);
    EmbedVectors(
        app, exchange, std::move(embed),
        [call = std::move(call), api_version](const Embeddings& vectors, const ServedModel&) {
          return Body(vectors, call, api_version);
        });
    return {};
  });
}

void EmbedV1(App& app, const ExchangePtr& exchange) { EmbedCohere(app, exchange, "1"); }
void EmbedV2(App& app, const ExchangePtr& exchange) { EmbedCohere(app, exchange, "2"); }

}  // namespace

std::vector<Route> CohereRoutes() {
  return {{"POST", "/v1/embed", Dialect::kCohere, EmbedV1, false, true},
          {"POST", "/v2/embed", Dialect::kCohere, EmbedV2, false, true}};
}

}  // namespace akin::server

// Cohere's dialect: /v1/embed and /v2/embed.
#include <algorithm>
#include <array>
#include <utility>

#include "server/api/vectors.h"
#include "server/app.h"
#include "server/json_writer.h"
#include "server/text.h"
#include "server/trace.h"

namespace akin::server {
namespace {

constexpr size_t kMaxTexts = 96;
constexpr std::array<std::string_view, 6> kTypes = {"float",  "int8",    "uint8",
                                                    "binary", "ubinary", "base64"};

void AppendAs(std::string& out, std::span<const float> vector, std::string_view type) {
  if (type == "float") return AppendJsonFloats(out, vector);
  if (type == "base64") {
    out += '"';
    AppendBase64(out, FloatBytes(vector));
    out += '"';
    return;
  }
  const bool bits = type == "binary" || type == "ubinary";
  if (bits) {
    const int offset = type == "binary" ? 128 : 0;
    const auto bytes = PackBits(vector);
    return AppendJsonArray(out, bytes.size(),
                           [&](size_t i) { AppendPiece(out, bytes[i] - offset); });
  }
  const int offset = type == "uint8" ? 128 : 0;
  const auto values = ToInt8(vector);
  AppendJsonArray(out, values.size(), [&](size_t i) { AppendPiece(out, values[i] + offset); });
}

struct CohereCall {
  EmbedCall call;
  std::vector<std::string> types;  // Empty: v1's plain list of floats.
  std::vector<std::string> texts;  // They stand in the answer.
  std::optional<int64_t> dimensions;
};

Status ReadTruncate(const JsonRequest& body, EmbedOptions& options) {
  AKIN_TRY_ASSIGN(const auto given, body.String("truncate"));
  const std::string truncate = given.value_or("END");
  options.overflow = truncate != "NONE" ? akin::Overflow::kTruncate : akin::Overflow::kError;
  if (truncate == "NONE" || truncate == "END") return {};
  if (truncate == "START") return InvalidInput("truncate START is not supported");
  return InvalidInput("truncate must be one of NONE, START or END");
}

Status ReadTypes(const JsonRequest& body, CohereCall& call) {
  AKIN_TRY_ASSIGN(auto types, body.Strings("embedding_types"));
  for (const std::string& type : types.value_or(std::vector<std::string>())) {
    if (std::ranges::find(kTypes, type) == kTypes.end()) {
      return InvalidInput("embedding_types has '", type.substr(0, 50),
                          "', expected float, int8, uint8, binary, ubinary or base64");
    }
    if (std::ranges::find(call.types, type) == call.types.end()) call.types.push_back(type);
  }
  return {};
}

Result<CohereCall> ReadCall(const JsonRequest& body) {
  CohereCall call;
  AKIN_TRY_ASSIGN(const auto model, body.String("model"));
  call.call.model = model.value_or("");
  AKIN_TRY_ASSIGN(const auto input_type, body.String("input_type"));
  if (input_type.value_or("") == "image" || body.Has("images")) {
    return InvalidInput("this model embeds texts, not images");
  }
  AKIN_TRY_ASSIGN(auto texts, body.Strings("texts"));
  if (!texts) return InvalidInput("texts is missing");
  if (texts->size() > kMaxTexts) {
    return InvalidInput("texts has ", texts->size(), " entries, at most ", kMaxTexts,
                        " are allowed");
  }
  call.texts = *std::move(texts);
  call.call.inputs = TextsAsInputs(call.texts);
  AKIN_TRY(ReadTruncate(body, call.call.options));
  AKIN_TRY(ReadTypes(body, call));
  AKIN_TRY_ASSIGN(const auto max_tokens, body.Int("max_tokens"));
  if (max_tokens) {
    if (*max_tokens < 1 || *max_tokens > INT32_MAX)
      return InvalidInput("max_tokens is out of range");
    call.call.options.max_tokens = static_cast<int>(*max_tokens);
  }
  AKIN_TRY_ASSIGN(call.dimensions, body.Int("output_dimension"));
  call.call.options.normalize = true;
  return call;
}

void EmbedCohere(App& app, const ExchangePtr& exchange, bool is_v2) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(CohereCall call, ReadCall(body));
    if (is_v2 && call.types.empty()) call.types.push_back("float");
    EmbedCall embed = std::move(call.call);
    const auto dimensions = call.dimensions;
    const bool packs = std::ranges::any_of(
        call.types, [](const std::string& type) { return type.ends_with("binary"); });
    if (packs && dimensions && *dimensions % 8 != 0) {
      return InvalidInput("output_dimension must be a multiple of 8 for binary embeddings");
    }
    EmbedVectors(app, exchange, std::move(embed), dimensions,
                 [call = std::move(call), is_v2](const Embeddings& embeddings,
                                                 const AnswerVectors& vectors, const ServedModel&) {
                   std::string out;
                   out.reserve(512 + vectors.size() * vectors.dimension() * 13);
                   JsonObject answer(out);
                   answer.Add("id", RandomHex(32));
                   if (call.types.empty()) {
                     AppendVectors(answer.Key("embeddings"), vectors);
                   } else {
                     JsonObject by_type(answer.Key("embeddings"));
                     for (const std::string& type : call.types) {
                       AppendJsonArray(by_type.Key(type), vectors.size(),
                                       [&](size_t i) { AppendAs(out, vectors[i], type); });
                     }
                   }
                   AppendJsonArray(answer.Key("texts"), call.texts.size(),
                                   [&](size_t i) { AppendJsonString(out, call.texts[i]); });
                   {
                     JsonObject meta(answer.Key("meta"));
                     JsonObject(meta.Key("api_version")).Add("version", is_v2 ? "2" : "1");
                     JsonObject(meta.Key("billed_units"))
                         .Add("input_tokens", embeddings.usage().total_tokens);
                   }
                   answer.Add("response_type",
                              call.types.empty() ? "embeddings_floats" : "embeddings_by_type");
                   answer.Close();
                   return out;
                 });
    return {};
  });
}

void EmbedV1(App& app, const ExchangePtr& exchange) { EmbedCohere(app, exchange, false); }
void EmbedV2(App& app, const ExchangePtr& exchange) { EmbedCohere(app, exchange, true); }

void NotARanker(App& app, const ExchangePtr& exchange) {
  app.Fail(exchange, Problem::kWrongTask, "the model of this server does not rerank");
}

}  // namespace

std::vector<Route> CohereRoutes() {
  return {{"POST", "/v1/embed", Dialect::kCohere, EmbedV1, false, true},
          {"POST", "/v2/embed", Dialect::kCohere, EmbedV2, false, true},
          {"POST", "/v1/rerank", Dialect::kCohere, NotARanker},
          {"POST", "/v2/rerank", Dialect::kCohere, NotARanker}};
}

}  // namespace akin::server

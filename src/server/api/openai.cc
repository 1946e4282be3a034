// OpenAI's dialect: /v1/embeddings and /v1/models, with the additions of Jina (`task`,
// `embedding_type`, `normalized`, `truncate`) and vLLM (`truncate_prompt_tokens`).
#include <ctime>
#include <utility>

#include "server/api/vectors.h"
#include "server/app.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

enum class Encoding { kFloat, kBase64, kBinary, kUnsignedBinary };

Result<Encoding> ParseEncoding(std::string_view field, std::string_view name) {
  if (name == "float") return Encoding::kFloat;
  if (name == "base64") return Encoding::kBase64;
  if (name == "binary") return Encoding::kBinary;
  if (name == "ubinary") return Encoding::kUnsignedBinary;
  return InvalidInput('`', field, "` is '", std::string(name).substr(0, 50),
                      "', expected float, base64, binary or ubinary");
}

Result<Encoding> ReadEncoding(const JsonRequest& body) {
  for (const std::string_view field : {"encoding_format", "embedding_type"}) {
    AKIN_TRY_ASSIGN(const auto name, body.String(field));
    if (name) return ParseEncoding(field, *name);
  }
  return Encoding::kFloat;
}

void AppendEncoded(std::string& out, std::span<const float> vector, Encoding encoding) {
  switch (encoding) {
    case Encoding::kFloat: return AppendJsonFloats(out, vector);
    case Encoding::kBase64:
      out += '"';
      AppendBase64(out, FloatBytes(vector));
      out += '"';
      return;
    case Encoding::kBinary:
    case Encoding::kUnsignedBinary: {
      const int offset = encoding == Encoding::kBinary ? 128 : 0;
      const auto bytes = PackBits(vector);
      AppendJsonArray(out, bytes.size(), [&](size_t i) { AppendPiece(out, bytes[i] - offset); });
      return;
    }
  }
}

std::string EmbeddingsBody(const Embeddings& embeddings, const AnswerVectors& vectors,
                           std::string_view model, Encoding encoding) {
  std::string out;
  out.reserve(256 + vectors.size() * vectors.dimension() * 13);
  JsonObject body(out);
  body.Add("object", "list");
  AppendJsonArray(body.Key("data"), vectors.size(), [&](size_t i) {
    JsonObject item(out);
    item.Add("object", "embedding").Add("index", static_cast<int64_t>(i));
    AppendEncoded(item.Key("embedding"), vectors[i], encoding);
  });
  body.Add("model", model);
  const Usage& usage = embeddings.usage();
  JsonObject counts(body.Key("usage"));
  counts.Add("prompt_tokens", usage.total_tokens).Add("total_tokens", usage.total_tokens);
  if (usage.truncated_tokens > 0) counts.Add("truncated_tokens", usage.truncated_tokens);
  counts.Close();
  body.Close();
  return out;
}

Result<EmbedCall> ReadCall(const JsonRequest& body) {
  EmbedCall call;
  AKIN_TRY_ASSIGN(auto inputs, body.TextsOrIds("input"));
  if (!inputs) return InvalidInput("`input` is missing");
  call.inputs = std::move(inputs->items);
  call.is_list = inputs->is_list;
  AKIN_TRY_ASSIGN(const auto model, body.String("model"));
  call.model = model.value_or("");
  AKIN_TRY_ASSIGN(const auto normalized, body.Bool("normalized"));
  call.options.normalize = normalized.value_or(true);
  AKIN_TRY_ASSIGN(const auto truncate, body.Bool("truncate"));
  call.options.overflow =
      truncate.value_or(true) ? akin::Overflow::kTruncate : akin::Overflow::kError;
  AKIN_TRY_ASSIGN(const auto max_tokens, body.Int("truncate_prompt_tokens"));
  if (max_tokens && *max_tokens != -1) {
    if (*max_tokens < 1 || *max_tokens > INT32_MAX) {
      return InvalidInput("`truncate_prompt_tokens` is ", *max_tokens,
                          ", expected -1 or a positive number");
    }
    call.options.max_tokens = static_cast<int>(*max_tokens);
  }
  AKIN_TRY_ASSIGN(const auto late_chunking, body.Bool("late_chunking"));
  if (late_chunking.value_or(false)) return InvalidInput("`late_chunking` is not supported");
  return call;
}

void EmbedOpenAi(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(EmbedCall call, ReadCall(body));
    AKIN_TRY_ASSIGN(const Encoding encoding, ReadEncoding(body));
    AKIN_TRY_ASSIGN(const auto dimensions, body.Int("dimensions"));
    if (!call.is_list && !call.inputs[0].is_ids && call.inputs[0].text.empty()) {
      return InvalidInput("`input` cannot be an empty string");
    }
    EmbedVectors(app, exchange, std::move(call), dimensions,
                 [encoding](const Embeddings& embeddings, const AnswerVectors& vectors,
                            const ServedModel& model) {
                   return EmbeddingsBody(embeddings, vectors, model.name(), encoding);
                 });
    return {};
  });
}

void AppendModel(std::string& out, const ModelSpec& spec) {
  // When the model was made is nowhere in its files; clients only want a number.
  JsonObject(out)
      .Add("id", spec.name)
      .Add("object", "model")
      .Add("created", 0)
      .Add("owned_by", "akin");
}

void ListModels(App& app, const ExchangePtr& exchange) {
  const auto& specs = app.registry().specs();
  HttpResponse response;
  JsonObject body(response.body);
  body.Add("object", "list");
  AppendJsonArray(body.Key("data"), specs.size(),
                  [&](size_t i) { AppendModel(response.body, specs[i]); });
  body.Close();
  exchange->Respond(std::move(response));
}

int HexDigit(char c) {
  const char lower = AsciiLower(c);
  if (lower >= '0' && lower <= '9') return lower - '0';
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// "org%2Fmodel" -> "org/model". What is no escape stays as it is.
std::string Unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
                        HexDigit(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

void GetModel(App& app, const ExchangePtr& exchange) {
  constexpr std::string_view kPrefix = "/v1/models/";
  const std::string name = Unescaped(exchange->request.path.substr(kPrefix.size()));
  for (const ModelSpec& spec : app.registry().specs()) {
    if (spec.name != name) continue;
    HttpResponse response;
    AppendModel(response.body, spec);
    return exchange->Respond(std::move(response));
  }
  app.Fail(exchange, Problem::kUnknownModel, StrCat("model '", name, "' not found"), "model");
}

}  // namespace

std::vector<Route> OpenAiRoutes() {
  return {{"POST", "/v1/embeddings", Dialect::kOpenAi, EmbedOpenAi, false, true},
          {"POST", "/embeddings", Dialect::kOpenAi, EmbedOpenAi, false, true},
          {"GET", "/v1/models", Dialect::kOpenAi, ListModels},
          {"GET", "/v1/models/", Dialect::kOpenAi, GetModel}};
}

}  // namespace akin::server

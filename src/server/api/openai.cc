// OpenAI's dialect: /v1/embeddings and /v1/models, with the additions of Jina (`task`,
// `embedding_type`, `normalized`, `truncate`, `late_chunking`) and others (vllm.h).
#include <chrono>
#include <utility>

#include "server/api/options.h"
#include "server/api/vectors.h"
#include "server/api/vllm.h"
#include "server/app.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

// How vectors are written.
struct Kinds {
  std::vector<Encoding> encodings;
  BinaryForm form;  // Of base64.
};

Status AppendKind(std::string& out, std::span<const float> vector, Encoding encoding,
                  const BinaryForm& form) {
  if (encoding != Encoding::kBase64) return AppendEncoded(out, vector, encoding);
  AppendBinary(out, vector, form);
  return {};
}

// One kind stands for the vector itself, several by their names.
Status AppendKinds(std::string& out, std::span<const float> vector, const Kinds& kinds) {
  const auto& encodings = kinds.encodings;
  if (encodings.size() == 1) return AppendKind(out, vector, encodings[0], kinds.form);
  JsonObject named(out);
  for (const Encoding encoding : encodings)
    AKIN_TRY(AppendKind(named.Key(EncodingName(encoding)), vector, encoding, kinds.form));
  return {};
}

Result<std::string> EmbeddingsBody(const Embeddings& vectors, std::string_view model,
                                   const Kinds& kinds) {
  std::string out;
  out.reserve(JsonBytes(vectors));
  Status status;
  JsonObject body(out);
  body.Add("object", "list");
  AppendJsonArray(body.Key("data"), vectors.size(), [&](size_t i) {
    JsonObject item(out);
    item.Add("object", "embedding").Add("index", static_cast<int64_t>(i));
    if (status) status = AppendKinds(item.Key("embedding"), vectors[i], kinds);
  });
  AKIN_TRY(std::move(status));
  body.Add("model", model);
  const Usage& usage = vectors.usage();
  JsonObject counts(body.Key("usage"));
  counts.Add("prompt_tokens", usage.total_tokens).Add("total_tokens", usage.total_tokens);
  if (usage.truncated_tokens > 0) counts.Add("truncated_tokens", usage.truncated_tokens);
  counts.Close();
  body.Close();
  return out;
}

Status ReadTask(const JsonRequest& body, EmbedCall& call) {
  AKIN_TRY_ASSIGN(const auto task, body.String("task"));
  if (!task) return {};
  call.prompts = PromptsOfTask(*task);
  if (!call.prompts.empty()) return {};
  return InvalidField("task", " is '", task->substr(0, 50),
                      "', expected retrieval.query, retrieval.passage, text-matching, "
                      "classification or separation");
}

Result<EmbedCall> ReadCall(const JsonRequest& body) {
  EmbedCall call;
  AKIN_TRY_ASSIGN(auto inputs, body.TextsOrIds("input"));
  if (!inputs) return InvalidField("input", " is missing");
  call.inputs = std::move(inputs->items);
  call.is_list = inputs->is_list;
  AKIN_TRY_ASSIGN(const auto model, body.String("model"));
  call.model = model.value_or("");
  AKIN_TRY(CheckNothingElse(body));
  AKIN_TRY_ASSIGN(call.options.normalize, ReadNormalize(body));
  AKIN_TRY_ASSIGN(call.options.overflow, ReadTruncate(body, "truncate", true));
  AKIN_TRY_ASSIGN(call.options.dimensions, ReadDimensions(body, "dimensions"));
  AKIN_TRY_ASSIGN(call.options.max_tokens, ReadPromptTokens(body));
  call.tokens_field = kPromptTokens;
  AKIN_TRY(ReadTask(body, call));
  AKIN_TRY(ReadAdditions(body, call.options));
  AKIN_TRY_ASSIGN(const auto late_chunking, body.Bool("late_chunking"));
  call.is_one_document = late_chunking.value_or(false);
  return call;
}

void EmbedOpenAi(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(EmbedCall call, ReadCall(body));
    AKIN_TRY_ASSIGN(AskedEncodings asked, ReadEncodings(body));
    AKIN_TRY_ASSIGN(const BinaryForm form, ReadBinaryForm(body));
    call.value_bytes = 0;
    for (const Encoding encoding : asked.encodings) call.value_bytes += BytesOfValue(encoding);
    if (!call.is_list && !call.inputs[0].is_ids && call.inputs[0].text.empty()) {
      return InvalidField("input", " cannot be an empty string");
    }
    EmbedVectors(app, exchange, std::move(call),
                 [kinds = Kinds{std::move(asked.encodings), form}](const Embeddings& vectors,
                                                                   const ServedModel& model) {
                   return EmbeddingsBody(vectors, model.name(), kinds);
                 });
    return {};
  });
}

// When the model was made is nowhere in its files; when the youngest of them was written is.
void AppendModel(std::string& out, const ModelSpec& spec, const std::optional<ModelFiles>& files) {
  JsonObject(out)
      .Add("id", spec.name)
      .Add("object", "model")
      .Add("created",
           files ? int64_t{std::chrono::system_clock::to_time_t(files->newest)} : int64_t{0})
      .Add("owned_by", "akin");
}

void ListModels(App& app, const ExchangePtr& exchange) {
  app.WithFiles(exchange, app.registry().specs(), [exchange](const auto& specs, const auto& files) {
    HttpResponse response;
    JsonObject body(response.body);
    body.Add("object", "list");
    AppendJsonArray(body.Key("data"), specs.size(),
                    [&](size_t i) { AppendModel(response.body, specs[i], files[i]); });
    body.Close();
    exchange->Respond(std::move(response));
  });
}

void GetModel(App& app, const ExchangePtr& exchange) {
  constexpr std::string_view kPrefix = "/v1/models/";
  const std::string name = PercentDecoded(exchange->request.path.substr(kPrefix.size()));
  for (const ModelSpec& spec : app.registry().specs()) {
    if (spec.name != name) continue;
    return app.WithFiles(exchange, {spec}, [exchange](const auto& specs, const auto& files) {
      HttpResponse response;
      AppendModel(response.body, specs[0], files[0]);
      exchange->Respond(std::move(response));
    });
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

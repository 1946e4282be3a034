// Ollama's dialect: /api/embed, /api/embeddings, and what its clients ask before.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "akin/system.h"

#include "server/api/options.h"
#include "server/api/vectors.h"
#include "server/app.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

int64_t Nanoseconds(double milliseconds) { return static_cast<int64_t>(milliseconds * 1e6); }

Result<std::string> Body(const Embeddings& vectors, std::string_view model, Encoding encoding) {
  std::string out;
  out.reserve(JsonBytes(vectors));
  JsonObject answer(out);
  answer.Add("model", model);
  AKIN_TRY(AppendVectors(answer.Key("embeddings"), vectors, encoding));
  const Usage& usage = vectors.usage();
  answer.Add("total_duration", Nanoseconds(usage.duration_ms))
      .Add("load_duration", 0)
      .Add("prompt_eval_count", usage.total_tokens);
  answer.Close();
  return out;
}

// Its names have a tag, and `latest` is what a name without one means.
std::string NameOf(const App& app, const std::optional<std::string>& asked) {
  constexpr std::string_view kLatest = ":latest";
  std::string name = asked.value_or("");
  if (name.ends_with(kLatest) && !app.registry().Knows(name))
    name.resize(name.size() - kLatest.size());
  return name;
}

// Of `options` the one that changes an answer; the others are of the machine that computes, or of
// generating.
Status ReadContext(const JsonRequest& body, EmbedCall& call) {
  AKIN_TRY_ASSIGN(const auto options, body.Object("options"));
  if (!options) return {};
  AKIN_TRY_ASSIGN(call.context_tokens, ReadPositive(*options, "num_ctx"));
  call.tokens_field = "num_ctx";
  return {};
}

void EmbedOllama(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    EmbedCall call;
    AKIN_TRY_ASSIGN(const auto model, body.String("model"));
    call.model = NameOf(app, model);
    AKIN_TRY_ASSIGN(auto texts, body.StringOrStrings("input"));
    AKIN_TRY_ASSIGN(call.options.overflow, ReadTruncate(body, "truncate", true));
    call.options.normalize = true;
    AKIN_TRY_ASSIGN(call.options.dimensions, ReadDimensions(body, "dimensions"));
    AKIN_TRY(ReadContext(body, call));
    AKIN_TRY(ReadAdditions(body, call.options));
    AKIN_TRY_ASSIGN(const AskedEncoding asked, ReadEncoding(body));
    call.value_bytes = BytesOfValue(asked.encoding);
    if (!texts || texts->empty()) {
      // No input is how its clients ask to load a model.
      app.WithModel(exchange, call.model, [exchange](const ServedModelPtr& served) {
        HttpResponse response;
        JsonObject(response.body).Add("model", served->name()).AddRaw("embeddings", "[]");
        exchange->Respond(std::move(response));
      });
      return {};
    }
    call.is_list = body.IsArray("input");
    call.inputs = TextsAsInputs(*std::move(texts));
    EmbedVectors(app, exchange, std::move(call),
                 [encoding = asked.encoding](const Embeddings& vectors, const ServedModel& served) {
                   return Body(vectors, served.name(), encoding);
                 });
    return {};
  });
}

void EmbedOldOllama(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    EmbedCall call{.is_list = false};
    AKIN_TRY_ASSIGN(const auto model, body.String("model"));
    call.model = NameOf(app, model);
    AKIN_TRY_ASSIGN(auto prompt, body.String("prompt"));
    AKIN_TRY(ReadContext(body, call));
    AKIN_TRY(ReadAdditions(body, call.options));
    AKIN_TRY_ASSIGN(const AskedEncoding asked, ReadEncoding(body));
    call.value_bytes = BytesOfValue(asked.encoding);
    if (!prompt || prompt->empty()) {
      HttpResponse response{.body = R"({"embedding":[]})"};
      exchange->Respond(std::move(response));
      return {};
    }
    call.inputs.push_back({.text = *std::move(prompt)});
    call.options.normalize = false;
    EmbedVectors(app, exchange, std::move(call),
                 [encoding = asked.encoding](const Embeddings& vectors,
                                             const ServedModel&) -> Result<std::string> {
                   std::string out;
                   JsonObject answer(out);
                   AKIN_TRY(AppendEncoded(answer.Key("embedding"), vectors[0], encoding));
                   answer.Close();
                   return out;
                 });
    return {};
  });
}

// The tensors that the backend reads.
std::string FormatOf(const std::optional<ModelFiles>& files, const ModelInfo* info) {
  if (info != nullptr && info->backend == BackendKindName(BackendKind::kOnnxRuntime)) return "onnx";
  return files ? files->format : "";
}

// Of a model that is not loaded only its files are known.
void AppendDetails(std::string& out, const std::optional<ModelFiles>& files,
                   const ModelInfo* info) {
  const std::string family = info == nullptr ? "" : info->architecture;
  JsonObject details(out);
  details.Add("parent_model", "").Add("format", FormatOf(files, info)).Add("family", family);
  AppendJsonArray(details.Key("families"), family.empty() ? 0 : 1,
                  [&](size_t) { AppendJsonString(out, family); });
  details
      .Add("parameter_size",
           info == nullptr ? std::string() : StrCat(info->num_parameters / 1'000'000, "M"))
      .Add("quantization_level", info == nullptr ? "" : info->precision);
}

// Of a model that has not been fetched yet; what Ollama, in Go, has for a date that is none.
constexpr std::string_view kNoDate = "0001-01-01T00:00:00Z";

std::string DateOf(const std::optional<ModelFiles>& files) {
  return files ? IsoTime(files->newest) : std::string(kNoDate);
}

// What /api/tags and /api/ps have in common.
void AddFacts(JsonObject& entry, const ModelSpec& spec, const std::optional<ModelFiles>& files) {
  entry.Add("name", spec.name)
      .Add("model", spec.name)
      .Add("size", files ? files->bytes : int64_t{0})
      .Add("digest", files ? files->digest : "");
}

void AppendTag(std::string& out, const ServedModel* model, const ModelSpec& spec,
               const std::optional<ModelFiles>& files) {
  JsonObject entry(out);
  AddFacts(entry, spec, files);
  entry.Add("modified_at", DateOf(files));
  AppendDetails(entry.Key("details"), files, model == nullptr ? nullptr : &model->info());
}

void AppendLoaded(std::string& out, const ModelInfo& info, const ModelSpec& spec,
                  const std::optional<ModelFiles>& files) {
  JsonObject entry(out);
  AddFacts(entry, spec, files);
  entry.Add("size_vram", 0).Add("context_length", info.max_tokens);
  AppendDetails(entry.Key("details"), files, &info);
}

void ListTags(App& app, const ExchangePtr& exchange) {
  app.WithFiles(exchange, app.registry().specs(),
                [&app, exchange](const auto& specs, const auto& files) {
                  HttpResponse response;
                  JsonObject answer(response.body);
                  AppendJsonArray(answer.Key("models"), specs.size(), [&](size_t i) {
                    const ServedModelPtr model = app.registry().Loaded(specs[i].name);
                    AppendTag(response.body, model.get(), specs[i], files[i]);
                  });
                  answer.Close();
                  exchange->Respond(std::move(response));
                });
}

void ListLoaded(App& app, const ExchangePtr& exchange) {
  std::vector<ModelSpec> loaded;
  std::vector<ServedModelPtr> models;
  for (const ModelSpec& spec : app.registry().specs()) {
    ServedModelPtr model = app.registry().Loaded(spec.name);
    if (model == nullptr) continue;
    loaded.push_back(spec);
    models.push_back(std::move(model));
  }
  app.WithFiles(exchange, std::move(loaded),
                [exchange, models = std::move(models)](const auto& specs, const auto& files) {
                  HttpResponse response;
                  JsonObject answer(response.body);
                  AppendJsonArray(answer.Key("models"), specs.size(), [&](size_t i) {
                    AppendLoaded(response.body, models[i]->info(), specs[i], files[i]);
                  });
                  answer.Close();
                  exchange->Respond(std::move(response));
                });
}

void ShowVersion(App&, const ExchangePtr& exchange) {
  HttpResponse response;
  JsonObject(response.body).Add("version", Version());
  exchange->Respond(std::move(response));
}

std::string Shown(const ModelInfo& info, const std::optional<ModelFiles>& files) {
  std::string out;
  JsonObject answer(out);
  answer.Add("modified_at", DateOf(files));
  AppendDetails(answer.Key("details"), files, &info);
  JsonObject facts(answer.Key("model_info"));
  facts.Add("general.architecture", info.architecture)
      .Add("general.parameter_count", info.num_parameters)
      .Add(StrCat(info.architecture, ".context_length"), info.max_tokens)
      .Add(StrCat(info.architecture, ".embedding_length"), info.dimension);
  facts.Close();
  answer.AddRaw("capabilities", info.Gives(Output::kDense) ? R"(["embedding"])" : "[]");
  answer.Close();
  return out;
}

void Show(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(auto name, body.String("model"));
    if (!name) {
      AKIN_TRY_ASSIGN(name, body.String("name"));
    }
    app.WithModel(exchange, NameOf(app, name), [&app, exchange](const ServedModelPtr& model) {
      const auto& specs = app.registry().specs();
      const auto spec = std::ranges::find(specs, model->name(), &ModelSpec::name);
      app.WithFiles(exchange, {*spec}, [exchange, model](const auto&, const auto& files) {
        exchange->Respond({.body = Shown(model->info(), files[0])});
      });
    });
    return {};
  });
}

}  // namespace

std::vector<Route> OllamaRoutes() {
  return {{"POST", "/api/embed", Dialect::kOllama, EmbedOllama, false, true},
          {"POST", "/api/embeddings", Dialect::kOllama, EmbedOldOllama, false, true},
          {"GET", "/api/tags", Dialect::kOllama, ListTags},
          {"GET", "/api/ps", Dialect::kOllama, ListLoaded},
          {"GET", "/api/version", Dialect::kOllama, ShowVersion},
          {"POST", "/api/show", Dialect::kOllama, Show}};
}

}  // namespace akin::server

#include "server/api/tei.h"

#include <cmath>
#include <utility>

#include "akin/system.h"

#include "server/api/options.h"
#include "server/api/vectors.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

// Token vectors are many: more texts in one request than TEI itself allows are refused, whatever
// --max-client-batch-size says (32 texts of 512 tokens give some 80 MB of JSON).
constexpr size_t kMaxTextsWithTokens = 32;

// What the embed family has in common.
Status ReadOptions(const App& app, const JsonRequest& body, EmbedOptions& options) {
  AKIN_TRY(ReadTruncation(app, body, options.overflow, options.truncation_side));
  return ReadAdditions(body, options);
}

Result<EmbedCall> ReadEmbedCall(const App& app, const JsonRequest& body) {
  EmbedCall call;
  AKIN_TRY_ASSIGN(auto inputs, body.TextsOrIds("inputs"));
  if (!inputs) return InvalidField("inputs", " is missing");
  AKIN_TRY_ASSIGN(call.model, ReadModel(body));
  call.inputs = std::move(inputs->items);
  call.is_list = inputs->is_list;
  AKIN_TRY(ReadOptions(app, body, call.options));
  return call;
}

// The first value of `name` in a query; empty without one.
std::string ValueOf(std::string_view query, std::string_view name) {
  std::optional<std::string> value;
  ForEachPart(query, '&', [&](std::string_view part) {
    const size_t equals = part.find('=');
    if (!value && equals != std::string_view::npos && part.substr(0, equals) == name)
      value = PercentDecoded(part.substr(equals + 1));
  });
  return value.value_or("");
}

// Our own addition to /embed_all: the states of all tokens, as TEI has it, or the vectors that a
// late-interaction model compares.
Result<Output> ReadTokenOutput(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const auto name, body.String("output"));
  if (!name || *name == "tokens") return Output::kTokens;
  if (*name == "multi_vector") return Output::kMultiVector;
  return InvalidField("output", " is '", name->substr(0, 50), "', expected tokens or multi_vector");
}

// Of vectors of tokens. int8 and uint8 have steps from -1 to 1: values of vectors of length 1,
// which states are not.
Result<Encoding> ReadTokenEncoding(const JsonRequest& body, Output output) {
  AKIN_TRY_ASSIGN(const auto asked, ReadEncoding(body));
  const auto [encoding, field] = asked;
  const bool has_steps = encoding == Encoding::kInt8 || encoding == Encoding::kUint8;
  if (output != Output::kTokens || !has_steps) return encoding;
  return InvalidField(field, " is '", EncodingName(encoding),
                      "', which is for vectors of length 1; the states of tokens are expected as "
                      "float, base64, binary or ubinary");
}

// Sparse vectors are indices with their values; there is no other way to write them.
Status CheckSparseEncoding(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const auto asked, ReadEncoding(body));
  const auto [encoding, field] = asked;
  if (encoding == Encoding::kFloat) return {};
  return InvalidField(field, " is '", EncodingName(encoding),
                      "', but sparse vectors are given as indices and float values");
}

// "embedding" with its pooling, or "classifier" or "reranker" with their labels.
void AppendModelType(std::string& out, const ModelInfo& info) {
  JsonObject type(out);
  if (!info.Gives(Output::kScores)) {
    const bool splade = info.kind == ModelKind::kSparse;
    JsonObject(type.Key("embedding")).Add("pooling", splade ? "splade" : info.pooling);
    return;
  }
  JsonObject labels(type.Key(info.kind == ModelKind::kReranker ? "reranker" : "classifier"));
  JsonObject to_label(labels.Key("id2label"));
  for (size_t i = 0; i < info.labels.size(); ++i) to_label.Add(StrCat(i), info.labels[i]);
  to_label.Close();
  JsonObject to_id(labels.Key("label2id"));
  for (size_t i = 0; i < info.labels.size(); ++i)
    to_id.Add(info.labels[i], static_cast<int64_t>(i));
}

double Cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += double{a[i]} * double{b[i]};
    aa += double{a[i]} * double{a[i]};
    bb += double{b[i]} * double{b[i]};
  }
  return aa == 0 || bb == 0 ? 0 : dot / std::sqrt(aa * bb);
}

}  // namespace

Result<std::string> ReadModel(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const auto model, body.String("model"));
  return model.value_or("");
}

Status ReadTruncation(const App& app, const JsonRequest& body, Overflow& overflow,
                      std::optional<TruncationSide>& side) {
  AKIN_TRY_ASSIGN(overflow, ReadTruncate(body, "truncate", app.options().auto_truncate));
  AKIN_TRY_ASSIGN(side, ReadSide(body, "truncation_direction"));
  return {};
}

void EmbedTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(EmbedCall call, ReadEmbedCall(app, body));
    AKIN_TRY_ASSIGN(const auto normalize, body.Bool("normalize"));
    call.options.normalize = normalize.value_or(true);
    AKIN_TRY_ASSIGN(call.options.dimensions, ReadDimensions(body, "dimensions"));
    AKIN_TRY_ASSIGN(const AskedEncoding asked, ReadEncoding(body));
    call.value_bytes = BytesOfValue(asked.encoding);
    EmbedVectors(app, exchange, std::move(call),
                 [encoding = asked.encoding](const Embeddings& vectors,
                                             const ServedModel&) -> Result<std::string> {
                   std::string out;
                   out.reserve(JsonBytes(vectors));
                   AKIN_TRY(AppendVectors(out, vectors, encoding));
                   return out;
                 });
    return {};
  });
}

void EmbedAllTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(EmbedCall call, ReadEmbedCall(app, body));
    AKIN_TRY_ASSIGN(const Output output, ReadTokenOutput(body));
    AKIN_TRY_ASSIGN(const Encoding encoding, ReadTokenEncoding(body, output));
    call.outputs = {output};
    if (call.inputs.size() > kMaxTextsWithTokens) {
      app.Fail(exchange, Problem::kTooManyTexts,
               StrCat("batch size ", call.inputs.size(), " > maximum allowed batch size ",
                      kMaxTextsWithTokens));
      return {};
    }
    const bool raw = WantsRaw(exchange->request);
    call.value_bytes = raw ? int64_t{sizeof(float)} : BytesOfValue(encoding);
    Embed(app, exchange, std::move(call),
          [output, encoding, raw](const AllEmbeddings& all,
                                  const ServedModel&) -> Result<HttpResponse> {
            const TokenEmbeddings& tokens =
                output == Output::kMultiVector ? all.multi_vector : all.tokens;
            if (raw) return RawTokenVectors(tokens);
            HttpResponse response;
            std::string& out = response.body;
            Status status;
            AppendJsonArray(out, tokens.size(), [&](size_t i) {
              AppendJsonArray(out, tokens[i].rows(), [&](size_t t) {
                if (status) status = AppendEncoded(out, tokens[i].row(t), encoding);
              });
            });
            AKIN_TRY(std::move(status));
            return response;
          });
    return {};
  });
}

void EmbedSparseTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(EmbedCall call, ReadEmbedCall(app, body));
    AKIN_TRY(CheckSparseEncoding(body));
    call.outputs = {Output::kSparse};
    AKIN_TRY_ASSIGN(call.options.top_k, ReadPositive(body, "top_k"));
    Embed(app, exchange, std::move(call),
          [](const AllEmbeddings& all, const ServedModel&) -> Result<HttpResponse> {
            HttpResponse response;
            std::string& out = response.body;
            AppendJsonArray(out, all.sparse.size(), [&](size_t i) {
              const SparseVector& vector = all.sparse[i];
              AppendJsonArray(out, vector.indices.size(), [&](size_t k) {
                JsonObject(out).Add("index", vector.indices[k]).Add("value", vector.values[k]);
              });
            });
            return response;
          });
    return {};
  });
}

void SimilarityTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(const auto inputs, body.Object("inputs"));
    if (!inputs) return InvalidField("inputs", " is missing");
    AKIN_TRY_ASSIGN(auto source, inputs->String("source_sentence"));
    AKIN_TRY_ASSIGN(auto sentences, inputs->Strings("sentences"));
    if (!source || !sentences) {
      return InvalidField("inputs", " needs `source_sentence` and `sentences`");
    }
    EmbedCall call;
    AKIN_TRY_ASSIGN(call.model, ReadModel(body));
    AKIN_TRY_ASSIGN(const auto parameters, body.Object("parameters"));
    AKIN_TRY(ReadOptions(app, parameters ? *parameters : body, call.options));
    if (sentences->empty()) {
      app.Fail(exchange, Problem::kEmpty, "`sentences` cannot be empty");
      return {};
    }
    call.inputs = TextsAsInputs(std::move(*sentences));
    call.inputs.insert(call.inputs.begin(), {.text = std::move(*source)});
    call.options.normalize = true;
    Embed(app, exchange, std::move(call),
          [](const AllEmbeddings& all, const ServedModel&) -> Result<HttpResponse> {
            HttpResponse response;
            AppendJsonArray(response.body, all.dense.size() - 1, [&](size_t i) {
              AppendJsonNumber(response.body, Cosine(all.dense[0], all.dense[i + 1]));
            });
            return response;
          });
    return {};
  });
}

void InfoTei(App& app, const ExchangePtr& exchange) {
  app.WithModel(
      exchange, ValueOf(exchange->request.query, "model"),
      [&app, exchange](const ServedModelPtr& model) {
        const ModelInfo& info = model->info();
        const AppOptions& options = app.options();
        HttpResponse response;
        JsonObject body(response.body);
        body.Add("model_id", info.model)
            .AddNull("model_sha")
            .Add("model_dtype", info.precision)
            .Add("served_model_name", model->name());
        AppendModelType(body.Key("model_type"), info);
        body.Add("max_concurrent_requests", options.scheduler.max_requests)
            .Add("max_input_length", info.max_tokens)
            .Add("max_batch_tokens", options.scheduler.batch_tokens)
            .AddNull("max_batch_requests")
            .Add("max_client_batch_size", static_cast<int64_t>(options.max_client_batch_size))
            .Add("auto_truncate", options.auto_truncate)
            .Add("tokenization_workers", app.scheduler().num_threads())
            .Add("version", Version())
            .AddNull("sha")
            .AddNull("docker_label")
            .Add("dimension", info.dimension)
            .Add("backend", info.backend)
            .Add("isa", info.isa)
            .Add("batch_invariant", info.batch_invariant);
        AppendJsonArray(body.Key("prompts"), info.prompts.size(),
                        [&](size_t i) { AppendJsonString(response.body, info.prompts[i].name); });
        body.Close();
        exchange->Respond(std::move(response));
      });
}

std::vector<Route> TeiRoutes() {
  return {{"POST", "/embed", Dialect::kTei, EmbedTei, false, true},
          {"POST", "/embed_all", Dialect::kTei, EmbedAllTei, false, true},
          {"POST", "/embed_sparse", Dialect::kTei, EmbedSparseTei, false, true},
          {"POST", "/similarity", Dialect::kTei, SimilarityTei, false, true},
          {"POST", "/predict", Dialect::kTei, PredictTei, false, true},
          {"POST", "/rerank", Dialect::kTei, RerankTei, false, true},
          {"POST", "/", Dialect::kTei, InvokeTei, false, true},
          {"POST", "/invocations", Dialect::kTei, InvokeTei, false, true},
          {"POST", "/vertex", Dialect::kTei, VertexTei, false, true},
          {"POST", "/tokenize", Dialect::kTei, TokenizeTei, false, true},
          {"POST", "/decode", Dialect::kTei, DecodeTei, false, true},
          {"GET", "/info", Dialect::kTei, InfoTei}};
}

}  // namespace akin::server

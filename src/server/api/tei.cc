// The dialect of Text Embeddings Inference
// (https://github.com/huggingface/text-embeddings-inference).
#include <algorithm>
#include <cmath>
#include <utility>

#include "akin/system.h"

#include "server/api/vectors.h"
#include "server/app.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

Status CheckDirection(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const auto direction, body.String("truncation_direction"));
  if (!direction || EqualIgnoringCase(*direction, "right")) return {};
  if (EqualIgnoringCase(*direction, "left")) {
    return InvalidInput("`truncation_direction` left is not supported: the model's files decide");
  }
  return InvalidInput("`truncation_direction` is expected to be left or right");
}

Status CheckPrompt(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const auto prompt, body.String("prompt_name"));
  if (!prompt) return {};
  return InvalidInput(
      "`prompt_name` is not supported by this server; put the prompt before the text");
}

// What the embed family has in common.
Result<EmbedOptions> ReadOptions(const App& app, const JsonRequest& body) {
  EmbedOptions options;
  AKIN_TRY_ASSIGN(const auto truncate, body.Bool("truncate"));
  options.overflow = truncate.value_or(app.options().auto_truncate) ? akin::Overflow::kTruncate
                                                                    : akin::Overflow::kError;
  AKIN_TRY(CheckDirection(body));
  AKIN_TRY(CheckPrompt(body));
  return options;
}

void EmbedTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    EmbedCall call;
    AKIN_TRY_ASSIGN(auto inputs, body.TextsOrIds("inputs"));
    if (!inputs) return InvalidInput("`inputs` is missing");
    call.inputs = std::move(inputs->items);
    call.is_list = inputs->is_list;
    AKIN_TRY_ASSIGN(call.options, ReadOptions(app, body));
    AKIN_TRY_ASSIGN(const auto normalize, body.Bool("normalize"));
    call.options.normalize = normalize.value_or(true);
    AKIN_TRY_ASSIGN(const auto dimensions, body.Int("dimensions"));
    EmbedVectors(app, exchange, std::move(call), dimensions,
                 [](const Embeddings&, const AnswerVectors& vectors, const ServedModel&) {
                   std::string out;
                   out.reserve(16 + vectors.size() * vectors.dimension() * 13);
                   AppendVectors(out, vectors);
                   return out;
                 });
    return {};
  });
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

void SimilarityTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(const auto inputs, body.Object("inputs"));
    if (!inputs) return InvalidInput("`inputs` is missing");
    AKIN_TRY_ASSIGN(auto source, inputs->String("source_sentence"));
    AKIN_TRY_ASSIGN(auto sentences, inputs->Strings("sentences"));
    if (!source || !sentences) {
      return InvalidInput("`inputs` needs `source_sentence` and `sentences`");
    }
    EmbedCall call;
    AKIN_TRY_ASSIGN(const auto parameters, body.Object("parameters"));
    if (parameters) {
      AKIN_TRY_ASSIGN(call.options, ReadOptions(app, *parameters));
    } else {
      call.options.overflow =
          app.options().auto_truncate ? akin::Overflow::kTruncate : akin::Overflow::kError;
    }
    if (sentences->empty()) {
      app.Fail(exchange, Problem::kEmpty, "`inputs` cannot be empty");
      return {};
    }
    call.inputs = TextsAsInputs(std::move(*sentences));
    call.inputs.insert(call.inputs.begin(), {.text = std::move(*source)});
    call.options.normalize = true;
    app.Embed(exchange, std::move(call),
              [](const Embeddings& embeddings, const ServedModel&) -> HttpResponse {
                HttpResponse response;
                AppendJsonArray(response.body, embeddings.size() - 1, [&](size_t i) {
                  AppendJsonNumber(response.body, Cosine(embeddings[0], embeddings[i + 1]));
                });
                return response;
              });
    return {};
  });
}

// --- The tokenizer -------------------------------------------------------------------------------

// Offsets count code points; special tokens have none.
void AppendTokens(std::string& out, const akin::Encoding& encoding) {
  AppendJsonArray(out, encoding.ids.size(), [&](size_t i) {
    const bool special = encoding.special_tokens_mask[i] != 0;
    JsonObject token(out);
    token.Add("id", static_cast<int64_t>(encoding.ids[i]))
        .Add("text", encoding.tokens[i])
        .Add("special", special);
    if (special) {
      token.AddNull("start").AddNull("stop");
    } else {
      token.Add("start", static_cast<int64_t>(encoding.offsets[i].first))
          .Add("stop", static_cast<int64_t>(encoding.offsets[i].second));
    }
  });
}

// Work on a tokenizer goes through the queue like other work: it is counted, bounded, fair, and off
// the event loop. The length of its texts stands in for their tokens.
void OnTokenizer(App& app, const ExchangePtr& exchange, int64_t bytes,
                 std::function<Result<HttpResponse>(const Tokenizer&)> use) {
  app.WithModel(exchange, "",
                [&app, exchange, bytes, use = std::move(use)](const ServedModelPtr& model) {
                  auto work = [&app, exchange, model, use] {
                    const Result<const Tokenizer*> tokenizer = model->tokenizer();
                    if (!tokenizer) return app.Fail(exchange, FailureOf(tokenizer.error()));
                    Result<HttpResponse> response = use(**tokenizer);
                    if (!response) return app.Fail(exchange, FailureOf(response.error()));
                    exchange->Respond(*std::move(response));
                  };
                  // Tokenizing is some hundred times quicker than computing.
                  const auto ticket =
                      app.scheduler().Submit({.work = std::move(work),
                                              .estimated_tokens = bytes / 400 + 1,
                                              .client = exchange->client},
                                             [&app, exchange](const Status& status) {
                                               if (!status) {
                                                 app.Fail(exchange, FailureOf(status.error()));
                                               }
                                             });
                  if (!ticket) app.Fail(exchange, FailureOf(ticket.error()));
                });
}

int64_t TotalBytes(const std::vector<std::string>& texts) {
  int64_t bytes = 0;
  for (const std::string& text : texts) bytes += static_cast<int64_t>(text.size());
  return bytes;
}

void TokenizeTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(auto texts, body.StringOrStrings("inputs"));
    if (!texts) return InvalidInput("`inputs` is missing");
    AKIN_TRY_ASSIGN(const auto add_special_tokens, body.Bool("add_special_tokens"));
    AKIN_TRY(CheckPrompt(body));
    if (texts->empty()) {
      app.Fail(exchange, Problem::kEmpty, "`inputs` cannot be empty");
      return {};
    }
    if (texts->size() > app.options().max_client_batch_size) {
      app.Fail(exchange, Problem::kTooManyTexts,
               StrCat("batch size ", texts->size(), " > maximum allowed batch size ",
                      app.options().max_client_batch_size));
      return {};
    }
    const EncodeOptions options{.add_special_tokens = add_special_tokens.value_or(true),
                                .with_offsets = true,
                                .truncation = Off{},
                                .padding = Off{}};
    const int64_t bytes = TotalBytes(*texts);
    OnTokenizer(
        app, exchange, bytes,
        [texts = std::move(*texts), options](const Tokenizer& tokenizer) -> Result<HttpResponse> {
          HttpResponse response;
          Status status;
          AppendJsonArray(response.body, texts.size(), [&](size_t i) {
            const auto encoding = tokenizer.Encode(texts[i], options);
            if (encoding) return AppendTokens(response.body, *encoding);
            if (status) status = encoding.error();
          });
          AKIN_TRY(std::move(status));
          return response;
        });
    return {};
  });
}

void DecodeTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(auto ids, body.Ids("ids"));
    if (!ids) return InvalidInput("`ids` is missing");
    AKIN_TRY_ASSIGN(const auto skip, body.Bool("skip_special_tokens"));
    if (ids->empty()) {
      app.Fail(exchange, Problem::kEmpty, "`ids` cannot be empty");
      return {};
    }
    int64_t count = 0;
    for (const auto& list : *ids) count += static_cast<int64_t>(list.size());
    OnTokenizer(app, exchange, 4 * count,
                [ids = std::move(*ids),
                 skip = skip.value_or(true)](const Tokenizer& tokenizer) -> Result<HttpResponse> {
                  HttpResponse response;
                  Status status;
                  AppendJsonArray(response.body, ids.size(), [&](size_t i) {
                    const auto text = tokenizer.Decode(ids[i], skip);
                    AppendJsonString(response.body, text ? *text : std::string());
                    if (!text && status) status = text.error();
                  });
                  AKIN_TRY(std::move(status));
                  return response;
                });
    return {};
  });
}

// --- What this model cannot do -------------------------------------------------------------------

void NotARanker(App& app, const ExchangePtr& exchange) {
  app.Fail(exchange, Problem::kWrongTask, "model is not a re-ranker model");
}
void NotAClassifier(App& app, const ExchangePtr& exchange) {
  app.Fail(exchange, Problem::kWrongTask, "model is not a classifier model");
}
void NotSparse(App& app, const ExchangePtr& exchange) {
  app.Fail(exchange, Problem::kWrongTask, "model is not a sparse (SPLADE) embedding model");
}

// --- About the server ----------------------------------------------------------------------------

void InfoTei(App& app, const ExchangePtr& exchange) {
  app.WithModel(exchange, "", [&app, exchange](const ServedModelPtr& model) {
    const ModelInfo& info = model->info();
    const AppOptions& options = app.options();
    HttpResponse response;
    JsonObject body(response.body);
    body.Add("model_id", info.model)
        .AddNull("model_sha")
        .Add("model_dtype", info.precision)
        .Add("served_model_name", model->name());
    JsonObject type(body.Key("model_type"));
    JsonObject(type.Key("embedding")).Add("pooling", info.pooling);
    type.Close();
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
    body.Close();
    exchange->Respond(std::move(response));
  });
}

}  // namespace

std::vector<Route> TeiRoutes() {
  return {{"POST", "/embed", Dialect::kTei, EmbedTei, false, true},
          {"POST", "/", Dialect::kTei, EmbedTei, false, true},
          {"POST", "/invocations", Dialect::kTei, EmbedTei, false, true},
          {"POST", "/similarity", Dialect::kTei, SimilarityTei, false, true},
          {"POST", "/tokenize", Dialect::kTei, TokenizeTei, false, true},
          {"POST", "/decode", Dialect::kTei, DecodeTei, false, true},
          {"POST", "/rerank", Dialect::kTei, NotARanker},
          {"POST", "/predict", Dialect::kTei, NotAClassifier},
          {"POST", "/embed_sparse", Dialect::kTei, NotSparse},
          {"GET", "/info", Dialect::kTei, InfoTei}};
}

}  // namespace akin::server

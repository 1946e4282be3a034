// Routes whose bodies mean what the model is: /, /invocations, and /vertex with several of them.
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "server/api/tei.h"
#include "server/api/vectors.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

using Handler = void (*)(App& app, const ExchangePtr& exchange);

struct NamedHandler {
  std::string_view name;
  Handler handle;
};
constexpr NamedHandler kHandlers[] = {
    {"embed", EmbedTei},     {"embed_all", EmbedAllTei}, {"embed_sparse", EmbedSparseTei},
    {"predict", PredictTei}, {"rerank", RerankTei},      {"tokenize", TokenizeTei}};

Handler HandlerOf(const ModelInfo& info) {
  switch (info.kind) {
    case ModelKind::kClassifier: return PredictTei;
    case ModelKind::kReranker: return RerankTei;
    case ModelKind::kSparse: return EmbedSparseTei;
    case ModelKind::kDense:
    case ModelKind::kStatic:
    case ModelKind::kMultiVector: break;
  }
  return EmbedTei;
}

// What all parts took together, though they may have been computed at once.
void AddCosts(const ExchangeCosts& part, ExchangeCosts& whole) {
  if (!part.computed) return;
  whole.computed = true;
  // Each may name a model.
  bool is_new = true;
  ForEachPart(whole.model, ',', [&](std::string_view name) { is_new &= name != part.model; });
  if (is_new) whole.model += StrCat(whole.model.empty() ? "" : ",", part.model);
  whole.texts += part.texts;
  whole.characters += part.characters;
  whole.tokens += part.tokens;
  whole.truncated_tokens += part.truncated_tokens;
  whole.tokenize_ms += part.tokenize_ms;
  whole.queue_ms += part.queue_ms;
  whole.compute_ms += part.compute_ms;
}

// The parts of a /vertex request, each an exchange of its own, and their answers in order. For the
// metrics each part is a request, and the whole is none. The part that is answered last answers the
// whole: with the answer of the first part, in the order of the request, that failed, if one did.
class Instances : public std::enable_shared_from_this<Instances> {
 public:
  Instances(App& app, ExchangePtr whole, size_t count)
      : app_(app), whole_(std::move(whole)), parts_(count) {
    waiting_ = count;
    whole_->tally = nullptr;
  }

  ExchangePtr Part(size_t i, std::string body) {
    HttpRequest request = whole_->request;
    request.body = std::move(body);
    // The whole is JSON.
    std::erase_if(request.headers,
                  [](const HttpHeader& header) { return header.name == "accept"; });
    auto part = std::make_shared<Exchange>(std::move(request), whole_->who.peer,
                                           [self = shared_from_this(), i](HttpResponse response) {
                                             self->parts_[i].answer = std::move(response);
                                             if (--self->waiting_ == 0) self->Answer();
                                           });
    part->who = whole_->who;
    part->tally = std::make_shared<RequestTally>(app_.metrics(), part->who.begin);
    part->client = whole_->client;
    part->share = whole_->share;
    part->before_respond = [self = shared_from_this(), i,
                            raw = part.get()](const HttpResponse& response) {
      Ended& ended = self->parts_[i];
      ended.fault = raw->fault;
      ended.full = raw->full;
      ended.costs = raw->costs;
      EndTally(*raw, response);
    };
    // The whole holds its parts only while they wait.
    whole_->departure.OnLeave([weak = std::weak_ptr(part)] {
      if (const ExchangePtr waiting = weak.lock()) waiting->departure.Leave();
    });
    return part;
  }

 private:
  struct Ended {
    HttpResponse answer;
    std::string fault;
    FullBound full;
    ExchangeCosts costs;
  };

  void Answer() {
    for (const Ended& part : parts_) AddCosts(part.costs, whole_->costs);
    for (Ended& part : parts_) {
      if (part.answer.status == 200) continue;
      whole_->full = part.full;
      return whole_->Respond(std::move(part.answer), std::move(part.fault));
    }
    HttpResponse response;
    JsonObject body(response.body);
    AppendJsonArray(body.Key("predictions"), parts_.size(), [&](size_t i) {
      response.body += parts_[i].answer.body;
      std::string().swap(parts_[i].answer.body);
    });
    body.Close();
    whole_->Respond(std::move(response));
  }

  App& app_;
  const ExchangePtr whole_;
  std::vector<Ended> parts_;
  std::atomic<size_t> waiting_;
};

// Lists of --max-client-batch-size texts in all instances of a request together.
constexpr size_t kMostListsOfInstances = 16;

// Of each body's own `type`, or of what its model is for.
Result<std::vector<Handler>> HandlersOf(const std::vector<JsonRequest>& bodies) {
  std::vector<Handler> handlers;
  for (const JsonRequest& body : bodies) {
    AKIN_TRY_ASSIGN(const auto type, body.String("type"));
    Handler handle = type ? nullptr : InvokeTei;
    for (const NamedHandler& row : kHandlers) {
      if (type && row.name == *type) handle = row.handle;
    }
    if (handle == nullptr)
      return InvalidField("type", " is '", type->substr(0, 50), "', which is no task");
    handlers.push_back(handle);
  }
  return handlers;
}

}  // namespace

void InvokeTei(App& app, const ExchangePtr& exchange) {
  // Whose handler reads the body depends on the model that it names, where there are several.
  std::string name;
  if (app.registry().specs().size() > 1) {
    const auto body = JsonRequest::Parse(exchange->request.body);
    if (!body) return app.Fail(exchange, Problem::kBadJson, body.error().message());
    auto model = ReadModel(*body);
    if (!model) return app.Fail(exchange, Problem::kBadShape, model.error().message());
    name = *std::move(model);
  }
  app.WithModel(exchange, name, [&app, exchange](const ServedModelPtr& model) {
    HandlerOf(model->info())(app, exchange);
  });
}

void VertexTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(auto bodies, body.Objects("instances"));
    if (!bodies) return InvalidField("instances", " is missing");
    const size_t most = app.options().max_client_batch_size;
    // Each waits in the queue as a request.
    const size_t most_parts =
        std::min(most, static_cast<size_t>(app.options().scheduler.max_requests));
    if (bodies->empty() || bodies->size() > most_parts) {
      app.Fail(exchange, bodies->empty() ? Problem::kEmpty : Problem::kTooManyTexts,
               StrCat("`instances` has ", bodies->size(), " entries, expected 1 to ", most_parts));
      return {};
    }
    // Each has a text or a list of them, and all are read in one go.
    size_t texts = 0;
    for (const JsonRequest& instance : *bodies) texts += instance.CountItems();
    if (texts > kMostListsOfInstances * most) {
      app.Fail(exchange, Problem::kTooManyTexts,
               StrCat("`instances` has ", texts, " texts, expected at most ",
                      kMostListsOfInstances * most));
      return {};
    }
    AKIN_TRY_ASSIGN(const auto handlers, HandlersOf(*bodies));
    const auto instances = std::make_shared<Instances>(app, exchange, bodies->size());
    for (size_t i = 0; i < bodies->size(); ++i)
      handlers[i](app, instances->Part(i, (*bodies)[i].Text()));
    return {};
  });
}

}  // namespace akin::server

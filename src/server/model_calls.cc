#include "server/model_calls.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "server/api/document_limit.h"
#include "server/call_headers.h"
#include "server/embed_texts.h"
#include "server/model_checks.h"
#include "server/text.h"

namespace akin::server {
namespace {

// What the log, the limits and the priority want to know of a call, whatever its kind.
struct CallFacts {
  size_t texts = 0;
  int64_t characters = 0;
  bool is_list = true;
  std::string_view field = "inputs";             // Where the client has its texts,
  std::string_view tokens_field = "max_tokens";  // and how many tokens they may have.
};

// What the library says of its option, by the request's own name.
Failure FailureOfCall(const Error& error, const CallFacts& facts) {
  constexpr std::string_view kOption = "max_tokens";
  Failure failure = FailureOf(error);
  if (failure.param != kOption) return failure;
  failure.param = facts.tokens_field;
  // "text 0: max_tokens is 1, fewer than ..."
  if (const size_t at = failure.message.find(StrCat(kOption, " is ")); at != std::string::npos)
    failure.message.replace(at, kOption.size(), StrCat('`', facts.tokens_field, '`'));
  return failure;
}

std::string_view FieldOfTexts(Dialect dialect) {
  switch (dialect) {
    case Dialect::kOpenAi:
    case Dialect::kOllama: return "input";
    case Dialect::kCohere:
    case Dialect::kAkiDb: return "texts";
    case Dialect::kTei:
    case Dialect::kPlain: break;
  }
  return "inputs";
}

Failure EmptyField(std::string_view field) {
  return {Problem::kEmpty, StrCat('`', field, "` cannot be empty"), std::string(field)};
}

std::optional<Failure> CheckCount(const App& app, const CallFacts& facts) {
  if (facts.texts == 0) return EmptyField(facts.field);
  const size_t most = app.options().max_client_batch_size;
  if (facts.texts <= most) return std::nullopt;
  return Failure{Problem::kTooManyTexts,
                 StrCat("batch size ", facts.texts, " > maximum allowed batch size ", most),
                 std::string(facts.field)};
}

std::optional<Failure> CheckInputs(const App& app, const EmbedCall& call, Dialect dialect) {
  for (const TextOrIds& input : call.inputs) {
    if (input.is_ids ? input.ids.empty() : input.text.empty() && dialect == Dialect::kTei) {
      return EmptyField(FieldOfTexts(dialect));
    }
    // Ids of another vocabulary give vectors of nonsense, and nobody would notice.
    if (input.is_ids && dialect == Dialect::kOpenAi && !app.options().accept_token_ids) {
      return Failure{Problem::kBadValue,
                     "`input` holds token ids. They are of the client's tokenizer, not of this "
                     "model's, and would give wrong vectors; send texts instead (LangChain: "
                     "OpenAIEmbeddings(check_embedding_ctx_length=False)). A server started with "
                     "--accept-token-ids takes ids of the model's own vocabulary",
                     "input"};
    }
  }
  return std::nullopt;
}

template <typename Answer>
void Finish(App& app, const ExchangePtr& exchange, const ServedModel& model,
            const Result<Answer>& answer, const Format<Answer>& format) {
  Result<HttpResponse> response = format(*answer, model);
  if (!response) return app.Fail(exchange, FailureOf(response.error()));
  const Usage& usage = ReportOf(*answer).usage();
  ExchangeCosts& costs = exchange->costs;
  AddUsage(usage, costs);
  app.CountAnswer({.task = TaskOf<Answer>(app.metrics()),
                   .report = ReportOf(*answer),
                   .texts = costs.texts,
                   .tally = *exchange->tally});
  exchange->Respond(*std::move(response));
}

template <typename Answer, typename Request>
void Submit(App& app, const ExchangePtr& exchange, const ServedModelPtr& model,
            const CallFacts& facts, const AnswerSize& size, Request request,
            Format<Answer> format) {
  exchange->costs.model = model->name();
  exchange->costs.texts = static_cast<int64_t>(facts.texts);
  exchange->costs.characters = facts.characters;
  request.terms = TermsOf(app, *exchange, facts.texts);
  request.terms.begin = [share = exchange->share, size, model](int64_t tokens) {
    return share->Reserve(GuessBytes(size, model->info(), tokens));
  };
  const auto ticket = app.scheduler().Submit(
      std::move(request),
      [&app, exchange, model, facts, format = std::move(format)](const Result<Answer>& answer) {
        if (!answer) return app.Fail(exchange, FailureOfCall(answer.error(), facts));
        Finish(app, exchange, *model, answer, format);
      });
  if (!ticket) {
    Failure failure = FailureOfCall(ticket.error(), facts);
    if (failure.problem == Problem::kOverloaded) failure.message = "Model is overloaded";
    return app.Fail(exchange, std::move(failure));
  }
  exchange->departure.OnLeave([&app, id = *ticket] { app.scheduler().Cancel(id); });
}

// What comes before the model: headers, counts, limits. False: the exchange is answered.
template <typename Answer>
bool Begin(App& app, const ExchangePtr& exchange, const CallFacts& facts,
           std::optional<Failure> failure = std::nullopt) {
  exchange->tally->Begin(facts.is_list);
  TaskOf<Answer>(app.metrics()).texts += static_cast<int64_t>(facts.texts);
  if (auto too_many = CheckCount(app, facts)) failure = std::move(too_many);
  if (auto unreadable = CheckHeaders(*exchange)) failure = std::move(unreadable);
  if (failure) app.Fail(exchange, *std::move(failure));
  return !failure;
}

// Documents that are cut to more than the model reads are cut by the model's limit anyway.
bool NeedsCutting(const ModelInfo& info, const RerankCall& call) {
  if (!call.max_document_tokens || *call.max_document_tokens >= info.max_tokens) return false;
  return std::ranges::any_of(call.documents, [&](const std::string& document) {
    return document.size() > static_cast<size_t>(*call.max_document_tokens);
  });
}

// On a worker, then goes on: tokenizing is nothing for the event loop.
void CutDocuments(App& app, const ExchangePtr& exchange, const ServedModelPtr& model,
                  const CallFacts& facts, const std::shared_ptr<RerankCall>& call,
                  std::function<void()> then) {
  auto cut = [&app, exchange, model, call, then = std::move(then)] {
    for (std::string& document : call->documents) {
      const Result<int64_t> tokens = CutDocument(
          model->tokenizer(), static_cast<size_t>(*call->max_document_tokens), document);
      if (!tokens) return app.Fail(exchange, FailureOf(tokens.error()));
      exchange->costs.truncated_tokens += *tokens;
    }
    then();
  };
  const auto ticket =
      app.scheduler().Submit(WorkRequest{.work = std::move(cut),
                                         .estimated_tokens = CostOfTokenizing(facts.characters),
                                         .terms = TermsOf(app, *exchange, facts.texts),
                                         .bytes = TotalBytes(call->documents)},
                             [&app, exchange](const Status& status) {
                               if (!status) app.Fail(exchange, FailureOf(status.error()));
                             });
  if (!ticket) return app.Fail(exchange, FailureOf(ticket.error()));
  exchange->departure.OnLeave([&app, id = *ticket] { app.scheduler().Cancel(id); });
}

}  // namespace

RequestTerms TermsOf(const App& app, const Exchange& exchange, size_t texts) {
  const auto read = ReadCallHeaders(exchange.request);
  const CallHeaders headers = read ? *read : CallHeaders{};
  const bool is_bulk = texts > app.options().bulk_texts;
  const std::chrono::milliseconds most = app.options().request_timeout;
  return {.priority = headers.priority.value_or(is_bulk ? Priority::kBulk : Priority::kQuery),
          .client = exchange.client,
          .deadline = exchange.who.begin + std::min(headers.timeout.value_or(most), most),
          .may_compute_here = exchange.is_only_one};
}

std::optional<Failure> CheckHeaders(const Exchange& exchange) {
  const auto headers = ReadCallHeaders(exchange.request);
  if (headers) return std::nullopt;
  return Failure{Problem::kBadHeader, headers.error().message()};
}

void AddUsage(const Usage& usage, ExchangeCosts& costs) {
  costs.computed = true;
  costs.tokens += usage.total_tokens;
  costs.truncated_tokens += usage.truncated_tokens;
  costs.tokenize_ms += usage.tokenize_ms;
  costs.queue_ms += usage.queue_ms;
  costs.compute_ms += usage.compute_ms;
}

std::vector<size_t> OrderOf(std::span<const float> scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return scores[i]; });
  return order;
}

int64_t CountCharacters(std::string_view text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

const TextReport& ReportOf(const AllEmbeddings& all) {
  for (const TextReport* report :
       std::initializer_list<const TextReport*>{&all.dense, &all.sparse, &all.multi_vector}) {
    if (report->num_texts() > 0) return *report;
  }
  return all.tokens;
}

void Embed(App& app, const ExchangePtr& exchange, EmbedCall call, Format<AllEmbeddings> format) {
  CallFacts facts{.texts = call.inputs.size(),
                  .is_list = call.is_list,
                  .field = FieldOfTexts(app.DialectOf(*exchange)),
                  .tokens_field = call.tokens_field};
  for (const TextOrIds& input : call.inputs) facts.characters += CountCharacters(input.text);
  if (!Begin<AllEmbeddings>(app, exchange, facts,
                            CheckInputs(app, call, app.DialectOf(exchange->request))))
    return;
  const AnswerSize size{.texts = static_cast<int64_t>(facts.texts),
                        .outputs = call.outputs,
                        .dimensions = call.options.dimensions,
                        .value_bytes = call.value_bytes};
  const std::string name = call.model;
  auto shared = std::make_shared<EmbedCall>(std::move(call));
  app.WithModel(
      exchange, name, [&app, exchange, facts, size, shared, format](const ServedModelPtr& model) {
        for (const Output output : shared->outputs) {
          if (auto failure = CheckGives(model->info(), output))
            return app.Fail(exchange, *std::move(failure));
        }
        if (auto failure = CheckDimensions(shared->options))
          return app.Fail(exchange, *std::move(failure));
        if (auto failure = CheckPooling(model->info(), shared->pooling))
          return app.Fail(exchange, *std::move(failure));
        if (shared->context_tokens) {
          shared->options.max_tokens = std::min(*shared->context_tokens, model->info().max_tokens);
        }
        Result<std::vector<std::string>> texts = TextsOf(*model, *shared);
        if (!texts) return app.Fail(exchange, FailureOf(texts.error()));
        Submit<AllEmbeddings>(app, exchange, model, facts, size,
                              EmbedRequest{.embedder = model->embedder(),
                                           .texts = *std::move(texts),
                                           .outputs = shared->outputs,
                                           .options = shared->options},
                              format);
      });
}

void Score(App& app, const ExchangePtr& exchange, ScoreCall call, Format<Scores> format) {
  CallFacts facts{.texts = call.inputs.size(), .is_list = call.is_list};
  for (const auto& input : call.inputs)
    facts.characters += CountCharacters(input.first) + CountCharacters(input.second.value_or(""));
  const bool has_empty = std::ranges::any_of(
      call.inputs, [](const ScoreRequest::Input& input) { return input.first.empty(); });
  if (!Begin<Scores>(app, exchange, facts,
                     has_empty ? std::optional(EmptyField(facts.field)) : std::nullopt))
    return;
  const AnswerSize size = SizeOfScores(facts.texts);
  const std::string name = call.model;
  auto shared = std::make_shared<ScoreCall>(std::move(call));
  app.WithModel(exchange, name,
                [&app, exchange, facts, size, shared, format](const ServedModelPtr& model) {
                  if (auto failure = CheckGives(model->info(), Output::kScores))
                    return app.Fail(exchange, *std::move(failure));
                  shared->options.activation = ActivationOf(model->info(), shared->raw_scores);
                  Submit<Scores>(app, exchange, model, facts, size,
                                 ScoreRequest{.embedder = model->embedder(),
                                              .inputs = std::move(shared->inputs),
                                              .options = shared->options},
                                 format);
                });
}

void Rerank(App& app, const ExchangePtr& exchange, RerankCall call, Format<Scores> format) {
  const bool is_tei = app.DialectOf(*exchange) == Dialect::kTei;
  CallFacts facts{.texts = call.documents.size(),
                  .characters = CountCharacters(call.query),
                  .field = is_tei ? "texts" : "documents",
                  .tokens_field = call.tokens_field};
  for (const std::string& document : call.documents) facts.characters += CountCharacters(document);
  std::optional<Failure> empty;
  if (call.query.empty()) empty = Failure{Problem::kEmpty, "`query` cannot be empty", "query"};
  if (!Begin<Scores>(app, exchange, facts, std::move(empty))) return;
  const AnswerSize size =
      SizeOfScores(facts.texts, call.returns_documents ? TotalBytes(call.documents) : 0);
  const std::string name = call.model;
  auto shared = std::make_shared<RerankCall>(std::move(call));
  app.WithModel(exchange, name,
                [&app, exchange, facts, size, shared, format](const ServedModelPtr& model) {
                  if (auto failure = CheckReranks(model->info()))
                    return app.Fail(exchange, *std::move(failure));
                  shared->options.activation = ActivationOf(model->info(), shared->raw_scores);
                  auto submit = [&app, exchange, model, facts, size, shared, format] {
                    Submit<Scores>(app, exchange, model, facts, size,
                                   RerankRequest{.embedder = model->embedder(),
                                                 .query = std::move(shared->query),
                                                 .documents = std::move(shared->documents),
                                                 .options = shared->options},
                                   format);
                  };
                  if (!NeedsCutting(model->info(), *shared)) return submit();
                  CutDocuments(app, exchange, model, facts, shared, std::move(submit));
                });
}

}  // namespace akin::server

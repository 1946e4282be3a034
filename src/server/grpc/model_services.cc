// The operations that go through the queue: texts to vectors and scores.
#include <algorithm>
#include <numeric>
#include <utility>

#include "server/grpc/services.h"
#include "server/model_checks.h"
#include "server/text.h"

namespace akin::server {
namespace {

uint64_t Nanoseconds(double milliseconds) { return static_cast<uint64_t>(milliseconds * 1e6); }

void SetMetadata(const Usage& usage, int64_t characters, tei::v1::Metadata& metadata) {
  metadata.set_compute_chars(static_cast<uint32_t>(characters));
  metadata.set_compute_tokens(static_cast<uint32_t>(usage.total_tokens));
  metadata.set_total_time_ns(Nanoseconds(usage.duration_ms));
  metadata.set_tokenization_time_ns(Nanoseconds(usage.tokenize_ms));
  metadata.set_queue_time_ns(Nanoseconds(usage.queue_ms));
  metadata.set_inference_time_ns(Nanoseconds(usage.compute_ms));
  metadata.set_truncated_tokens(static_cast<uint32_t>(usage.truncated_tokens));
}

Failure EmptyInput() { return {Problem::kEmpty, "`inputs` cannot be empty"}; }

// What the messages of the embed family, or those of the score family, have in common. The default
// of `truncate` is false, as proto3 has it.
template <typename Request>
EmbedOptions EmbedOptionsOf(const Request& request) {
  EmbedOptions options;
  options.overflow = request.truncate() ? Overflow::kTruncate : Overflow::kError;
  if (request.truncation_direction() == tei::v1::TRUNCATION_DIRECTION_LEFT)
    options.truncation_side = TruncationSide::kLeft;
  if (request.has_prompt_name()) options.prompt_name = request.prompt_name();
  return options;
}
template <typename Request>
ScoreOptions ScoreOptionsOf(const Request& request) {
  ScoreOptions options;
  options.overflow = request.truncate() ? Overflow::kTruncate : Overflow::kError;
  if (request.truncation_direction() == tei::v1::TRUNCATION_DIRECTION_LEFT)
    options.truncation_side = TruncationSide::kLeft;
  return options;
}

// Ranks, the best first; `texts` if they are to be returned.
tei::v1::RerankResponse RanksOf(const Scores& scores, const std::vector<std::string>& texts,
                                int64_t characters) {
  tei::v1::RerankResponse response;
  for (const size_t i : scores.Order()) {
    tei::v1::Rank& rank = *response.add_ranks();
    rank.set_index(static_cast<uint32_t>(i));
    rank.set_score(scores[i][0]);
    if (!texts.empty()) rank.set_text(texts[i]);
  }
  SetMetadata(scores.usage(), characters, *response.mutable_metadata());
  return response;
}

AnswerSize SizeOf(const EmbedRequest& request) {
  return {.texts = static_cast<int64_t>(request.texts.size()),
          .text_bytes = TotalBytes(request.texts),
          .outputs = request.outputs,
          .dimensions = request.options.dimensions,
          .value_bytes = kBytesOfMessageNumber};
}
AnswerSize SizeOf(const ScoreRequest& request) { return SizeOfScores(request.inputs.size()); }
AnswerSize SizeOf(const RerankRequest& request) { return SizeOfScores(request.documents.size()); }

int64_t CountCharacters(const std::vector<std::string>& texts) {
  int64_t count = 0;
  for (const std::string& text : texts) count += server::CountCharacters(std::string_view(text));
  return count;
}

}  // namespace

template <typename Answer>
void GrpcOperations::Begin(const CallInfo& info, size_t texts, bool is_list) {
  info.tally->Begin(is_list);
  TaskOf<Answer>(app_.metrics()).texts += static_cast<int64_t>(texts);
}

Priority GrpcOperations::PriorityOf(const CallInfo& info, int64_t texts) const {
  const bool is_bulk = static_cast<size_t>(texts) > app_.options().bulk_texts;
  const Priority priority = info.priority.value_or(is_bulk ? Priority::kBulk : Priority::kQuery);
  info.record->set_priority(priority);
  return priority;
}

template <typename Answer, typename Request>
void GrpcOperations::Run(const CallInfo& info, const RunFacts& facts,
                         std::function<std::optional<Failure>(const ServedModel&, Request&)> make,
                         std::function<void(GrpcStatus)> refuse, Answered<Answer> done) {
  app_.registry().Acquire(
      facts.model, [this, info, facts, make = std::move(make), refuse = std::move(refuse),
                    done = std::move(done)](Result<ServedModelPtr> served) {
        if (!served) return done(served.error(), nullptr);
        Request request{.embedder = (*served)->embedder()};
        if (const auto failure = make(**served, request)) return refuse(Refuse(info, *failure));
        AnswerSize size = SizeOf(request);
        size.returned_bytes = facts.returned_bytes;
        const ModelInfo& model = (*served)->info();
        info.share->Expect(GuessBytes(size, model, GuessTokens(size, model)));
        request.terms = {.priority = PriorityOf(info, facts.input.texts),
                         .client = info.client,
                         .deadline = info.deadline,
                         .begin =
                             [share = info.share, size, served = *served](int64_t tokens) {
                               return share->Reserve(GuessBytes(size, served->info(), tokens));
                             },
                         .may_compute_here = info.may_compute_here};
        const auto ticket = app_.scheduler().Submit(
            std::move(request),
            [this, info, input = facts.input, served = *served, done](Result<Answer> answer) {
              if (!answer) return done(answer.error(), served);
              info.record->Add(served->name(), input, ReportOf(*answer).usage());
              app_.CountAnswer({.task = TaskOf<Answer>(app_.metrics()),
                                .report = ReportOf(*answer),
                                .texts = input.texts,
                                .tally = *info.tally});
              done(std::move(answer), served);
            });
        if (!ticket) return done(ticket.error(), *served);
        info.departure->OnLeave([this, id = *ticket] { app_.scheduler().Cancel(id); });
      });
}

template <typename Response>
void GrpcOperations::EmbedOne(const CallInfo& info, std::string text, EmbedOptions options,
                              Output output, CallDone<Response> done,
                              std::function<void(const AllEmbeddings&, Response&)> fill) {
  Begin<AllEmbeddings>(info, 1, false);
  if (text.empty()) return done(Refuse(info, EmptyInput()), {});
  if (options.dimensions && *options.dimensions < 1)
    return done(Refuse(info, {Problem::kBadValue, "`dimensions` should be positive"}), {});
  const int64_t characters = CountCharacters(std::string_view(text));
  Run<AllEmbeddings, EmbedRequest>(
      info, {.input = {.texts = 1, .characters = characters}},
      [text = std::move(text), options, output](const ServedModel& model, EmbedRequest& request) {
        request.texts = {text};
        request.outputs = {output};
        request.options = options;
        return CheckGives(model.info(), output);
      },
      [done](const GrpcStatus& status) { done(status, {}); },
      [done, fill = std::move(fill), characters](const Result<AllEmbeddings>& all,
                                                 const ServedModelPtr&) {
        if (!all) return done(server::ToGrpcStatus(all.error()), {});
        Response response;
        fill(*all, response);
        SetMetadata(ReportOf(*all).usage(), characters, *response.mutable_metadata());
        done(GrpcStatus{}, std::move(response));
      });
}

void GrpcOperations::Embed(const CallInfo& info, const tei::v1::EmbedRequest& request,
                           CallDone<tei::v1::EmbedResponse> done) {
  EmbedOptions options = EmbedOptionsOf(request);
  if (request.has_dimensions())
    options.dimensions = static_cast<int>(std::min<uint32_t>(request.dimensions(), INT32_MAX));
  options.normalize = !request.has_normalize() || request.normalize();
  EmbedOne<tei::v1::EmbedResponse>(info, request.inputs(), options, Output::kDense, std::move(done),
                                   [](const AllEmbeddings& all, tei::v1::EmbedResponse& response) {
                                     response.mutable_embeddings()->Add(all.dense[0].begin(),
                                                                        all.dense[0].end());
                                   });
}

void GrpcOperations::EmbedSparse(const CallInfo& info, const tei::v1::EmbedSparseRequest& request,
                                 CallDone<tei::v1::EmbedSparseResponse> done) {
  EmbedOne<tei::v1::EmbedSparseResponse>(
      info, request.inputs(), EmbedOptionsOf(request), Output::kSparse, std::move(done),
      [](const AllEmbeddings& all, tei::v1::EmbedSparseResponse& response) {
        const SparseVector& vector = all.sparse[0];
        for (size_t i = 0; i < vector.indices.size(); ++i) {
          tei::v1::SparseValue& value = *response.add_sparse_embeddings();
          value.set_index(static_cast<uint32_t>(vector.indices[i]));
          value.set_value(vector.values[i]);
        }
      });
}

void GrpcOperations::EmbedAll(const CallInfo& info, const tei::v1::EmbedAllRequest& request,
                              CallDone<tei::v1::EmbedAllResponse> done) {
  EmbedOne<tei::v1::EmbedAllResponse>(
      info, request.inputs(), EmbedOptionsOf(request), Output::kTokens, std::move(done),
      [](const AllEmbeddings& all, tei::v1::EmbedAllResponse& response) {
        const MatrixView<const float> rows = all.tokens[0];
        for (size_t t = 0; t < rows.rows(); ++t) {
          response.add_token_embeddings()->mutable_embeddings()->Add(rows.row(t).begin(),
                                                                     rows.row(t).end());
        }
      });
}

void GrpcOperations::PredictOne(const CallInfo& info, ScoreRequest::Input input,
                                const ScoreOptions& options, bool raw_scores,
                                CallDone<tei::v1::PredictResponse> done) {
  Begin<Scores>(info, 1, false);
  if (input.first.empty()) return done(Refuse(info, EmptyInput()), {});
  const int64_t characters = CountCharacters(std::string_view(input.first)) +
                             CountCharacters(std::string_view(input.second ? *input.second : ""));
  Run<Scores, ScoreRequest>(
      info, {.input = {.texts = 1, .characters = characters}},
      [input = std::move(input), options, raw_scores](const ServedModel& model,
                                                      ScoreRequest& request) {
        request.inputs = {input};
        request.options = options;
        request.options.activation = ActivationOf(model.info(), raw_scores);
        return CheckGives(model.info(), Output::kScores);
      },
      [done](const GrpcStatus& status) { done(status, {}); },
      [done, characters](const Result<Scores>& scores, const ServedModelPtr& model) {
        if (!scores) return done(server::ToGrpcStatus(scores.error()), {});
        tei::v1::PredictResponse response;
        for (const size_t label : OrderOf((*scores)[0])) {
          tei::v1::Prediction& prediction = *response.add_predictions();
          prediction.set_score((*scores)[0][label]);
          prediction.set_label(model->info().labels[label]);
        }
        SetMetadata(scores->usage(), characters, *response.mutable_metadata());
        done(GrpcStatus{}, std::move(response));
      });
}

void GrpcOperations::Predict(const CallInfo& info, const tei::v1::PredictRequest& request,
                             CallDone<tei::v1::PredictResponse> done) {
  PredictOne(info, {.first = request.inputs()}, ScoreOptionsOf(request), request.raw_scores(),
             std::move(done));
}

void GrpcOperations::PredictPair(const CallInfo& info, const tei::v1::PredictPairRequest& request,
                                 CallDone<tei::v1::PredictResponse> done) {
  if (request.inputs_size() < 1 || request.inputs_size() > 2) {
    Begin<Scores>(info, 1, false);
    return done(Refuse(info, {Problem::kBadShape, StrCat("`inputs` has ", request.inputs_size(),
                                                         " texts, expected 1 or 2")}),
                {});
  }
  ScoreRequest::Input input{.first = request.inputs(0)};
  if (request.inputs_size() == 2) input.second = request.inputs(1);
  PredictOne(info, std::move(input), ScoreOptionsOf(request), request.raw_scores(),
             std::move(done));
}

void GrpcOperations::Rerank(const CallInfo& info, const tei::v1::RerankRequest& request,
                            CallDone<tei::v1::RerankResponse> done) {
  std::vector<std::string> texts(request.texts().begin(), request.texts().end());
  Begin<Scores>(info, texts.size(), true);
  if (request.query().empty() || texts.empty()) return done(Refuse(info, EmptyInput()), {});
  if (texts.size() > max_gathered()) {
    return done(Refuse(info, {Problem::kTooManyTexts,
                              StrCat("batch size ", texts.size(), " > maximum allowed batch size ",
                                     max_gathered())}),
                {});
  }
  const auto count = static_cast<int64_t>(texts.size());
  const int64_t characters =
      CountCharacters(std::string_view(request.query())) + CountCharacters(texts);
  std::vector<std::string> returned;
  if (request.return_text()) returned = texts;
  const int64_t returned_bytes = 2 * TotalBytes(returned);  // In the message, and as it is written.
  Run<Scores, RerankRequest>(
      info, {.input = {.texts = count, .characters = characters}, .returned_bytes = returned_bytes},
      [query = request.query(), texts = std::move(texts), options = ScoreOptionsOf(request),
       raw_scores = request.raw_scores()](const ServedModel& model, RerankRequest& job) {
        job.query = query;
        job.documents = texts;
        job.options = options;
        job.options.activation = ActivationOf(model.info(), raw_scores);
        return CheckReranks(model.info());
      },
      [done](const GrpcStatus& status) { done(status, {}); },
      [done, characters, returned = std::move(returned)](const Result<Scores>& scores,
                                                         const ServedModelPtr&) {
        if (!scores) return done(server::ToGrpcStatus(scores.error()), {});
        done(GrpcStatus{}, RanksOf(*scores, returned, characters));
      });
}

// The first message's `raw_scores` and `return_text` count for all, as in TEI; so do its query and
// what it says of truncation, which TEI's clients repeat in each.
void GrpcOperations::RerankTexts(const CallInfo& info,
                                 const std::vector<tei::v1::RerankStreamRequest>& texts,
                                 CallDone<tei::v1::RerankResponse> done) {
  if (texts.empty()) return done(Refuse(info, EmptyInput()), {});
  const tei::v1::RerankStreamRequest& first = texts.front();
  tei::v1::RerankRequest request;
  request.set_query(first.query());
  request.set_truncate(first.truncate());
  request.set_raw_scores(first.raw_scores());
  request.set_return_text(first.return_text());
  request.set_truncation_direction(first.truncation_direction());
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].query() != first.query()) {
      Begin<Scores>(info, texts.size(), true);
      return done(Refuse(info, {Problem::kBadValue,
                                StrCat("message ", i, " has another query than the first one")}),
                  {});
    }
    request.add_texts(texts[i].text());
  }
  Rerank(info, request, std::move(done));
}

void GrpcOperations::AkiDbEmbed(const CallInfo& info,
                                const akidb::embedding::v1::EmbedRequest& request,
                                CallDone<akidb::embedding::v1::EmbedResponse> done) {
  Begin<AllEmbeddings>(info, static_cast<size_t>(request.texts_size()), true);
  if (request.texts().empty())
    return done(Refuse(info, {Problem::kEmpty, "texts cannot be empty"}), {});
  if (static_cast<size_t>(request.texts_size()) > max_gathered()) {
    return done(Refuse(info, {Problem::kTooManyTexts,
                              StrCat("at most ", max_gathered(), " texts per request")}),
                {});
  }
  std::vector<std::string> texts(request.texts().begin(), request.texts().end());
  const auto count = static_cast<int64_t>(texts.size());
  Run<AllEmbeddings, EmbedRequest>(
      info,
      {.model = request.model(), .input = {.texts = count, .characters = CountCharacters(texts)}},
      [texts = std::move(texts), pooling = request.pooling(),
       normalize = !request.has_normalize() || request.normalize()](const ServedModel& model,
                                                                    EmbedRequest& job) {
        job.texts = texts;
        job.options.normalize = normalize;
        auto failure = CheckGives(model.info(), Output::kDense);
        return failure ? failure : CheckPooling(model.info(), pooling);
      },
      [done](const GrpcStatus& status) { done(status, {}); },
      [done](const Result<AllEmbeddings>& all, const ServedModelPtr& model) {
        if (!all) return done(server::ToGrpcStatus(all.error()), {});
        const Embeddings& vectors = all->dense;
        akidb::embedding::v1::EmbedResponse response;
        for (size_t i = 0; i < vectors.size(); ++i) {
          response.add_embeddings()->mutable_values()->Add(vectors[i].begin(), vectors[i].end());
        }
        response.set_model(model->name());
        response.set_dimension(static_cast<uint32_t>(vectors.dimension()));
        const Usage& usage = vectors.usage();
        response.mutable_usage()->set_total_tokens(static_cast<uint32_t>(usage.total_tokens));
        response.mutable_usage()->set_duration_ms(static_cast<uint64_t>(usage.duration_ms + 0.5));
        done(GrpcStatus{}, std::move(response));
      });
}

}  // namespace akin::server

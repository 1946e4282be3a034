#include "server/grpc/services.h"

#include <algorithm>
#include <utility>

#include "akin/system.h"

#include "server/api/vectors.h"
#include "server/text.h"

namespace akin::server {
namespace {

uint64_t Nanoseconds(double milliseconds) { return static_cast<uint64_t>(milliseconds * 1e6); }

uint32_t CountCharacters(std::string_view text) {
  return static_cast<uint32_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void SetMetadata(const Usage& usage, uint32_t characters, tei::v1::Metadata& metadata) {
  metadata.set_compute_chars(characters);
  metadata.set_compute_tokens(static_cast<uint32_t>(usage.total_tokens));
  metadata.set_total_time_ns(Nanoseconds(usage.duration_ms));
  metadata.set_tokenization_time_ns(Nanoseconds(usage.tokenize_ms));
  metadata.set_queue_time_ns(Nanoseconds(usage.queue_ms));
  metadata.set_inference_time_ns(Nanoseconds(usage.compute_ms));
}

grpc::Status Invalid(std::string message) {
  return {grpc::StatusCode::INVALID_ARGUMENT, std::move(message)};
}

}  // namespace

// ErrorCode has gRPC's numbers.
grpc::Status ToGrpcStatus(const Error& error) {
  return {static_cast<grpc::StatusCode>(error.code()), error.message()};
}

grpc::Status GrpcOperations::ReadCaller(const grpc::CallbackServerContext& context,
                                        CallInfo& info) const {
  std::string_view key;
  const auto& metadata = context.client_metadata();
  if (const auto it = metadata.find("authorization"); it != metadata.end()) {
    const std::string_view value(it->second.data(), it->second.size());
    constexpr std::string_view kBearer = "bearer ";
    if (value.size() > kBearer.size() &&
        EqualIgnoringCase(value.substr(0, kBearer.size()), kBearer)) {
      key = Trimmed(value.substr(kBearer.size()));
    }
  }
  if (!app_.IsKey(key)) return {grpc::StatusCode::UNAUTHENTICATED, "a valid API key is needed"};
  info.client = app_.options().api_keys.empty() ? context.peer() : std::string(key);
  info.departure = std::make_shared<Departure>();
  const auto most = app_.options().request_timeout;
  const auto given = context.deadline() - std::chrono::system_clock::now();
  // A call without a deadline has one at the end of time.
  info.deadline = std::chrono::steady_clock::now() +
                  std::min<std::chrono::nanoseconds>(most, std::max(given, given.zero()));
  return grpc::Status::OK;
}

void GrpcOperations::Run(const CallInfo& info, Job job, Embedded done) {
  const auto begin = Exchange::Clock::now();
  const auto count = static_cast<int64_t>(job.texts.size());
  ++(job.is_list ? app_.metrics().batch_requests : app_.metrics().single_requests);
  app_.metrics().texts += count;
  const std::string name = job.model;
  const auto shared = std::make_shared<Job>(std::move(job));
  app_.registry().Acquire(name, [this, info, begin, count, shared,
                                 done = std::move(done)](Result<ServedModelPtr> model) {
    if (!model) return done(model.error(), nullptr);
    const bool is_list = shared->is_list;
    const auto ticket = app_.scheduler().Submit(
        {.embedder = (*model)->embedder(),
         .texts = std::move(shared->texts),
         .options = shared->options,
         .client = info.client,
         .deadline = info.deadline},
        [this, begin, count, is_list, served = *model, done](Result<Embeddings> result) {
          if (result) app_.CountAnswer(result->usage(), count, is_list, begin);
          if (!result) app_.metrics().CountFailure(FailureKind(FailureOf(result.error()).problem));
          done(std::move(result), served);
        });
    if (!ticket) return done(ticket.error(), *model);
    info.departure->OnLeave([this, id = *ticket] { app_.scheduler().Cancel(id); });
  });
}

void GrpcOperations::Embed(const CallInfo& info, const tei::v1::EmbedRequest& request,
                           CallDone<tei::v1::EmbedResponse> done) {
  if (request.inputs().empty()) return done(Invalid("`inputs` cannot be empty"), {});
  if (request.has_prompt_name()) return done(Invalid("`prompt_name` is not supported"), {});
  if (request.truncation_direction() != tei::v1::TRUNCATION_DIRECTION_RIGHT) {
    return done(Invalid("truncation on the left is not supported"), {});
  }
  if (request.has_dimensions() && request.dimensions() == 0) {
    return done(Invalid("`dimensions` should be positive"), {});
  }
  const bool normalize = !request.has_normalize() || request.normalize();
  Job job{.texts = {request.inputs()}};
  job.options.overflow = request.truncate() ? akin::Overflow::kTruncate : akin::Overflow::kError;
  job.options.normalize = normalize;
  const size_t dimensions = request.has_dimensions() ? request.dimensions() : 0;
  Run(info, std::move(job),
      [dimensions, normalize, characters = CountCharacters(request.inputs()), done](
          Result<Embeddings> result, const ServedModelPtr&) {
        if (!result) return done(ToGrpcStatus(result.error()), {});
        if (dimensions > result->dimension()) {
          return done(Invalid(StrCat("`dimensions` is ", dimensions, ", the model gives ",
                                     result->dimension())),
                      {});
        }
        const AnswerVectors vectors(*result, dimensions, normalize);
        tei::v1::EmbedResponse response;
        response.mutable_embeddings()->Add(vectors[0].begin(), vectors[0].end());
        SetMetadata(result->usage(), characters, *response.mutable_metadata());
        done(grpc::Status::OK, std::move(response));
      });
}

void GrpcOperations::Info(const CallInfo&, CallDone<tei::v1::InfoResponse> done) {
  app_.registry().Acquire("", [this, done = std::move(done)](Result<ServedModelPtr> model) {
    if (!model) return done(ToGrpcStatus(model.error()), {});
    const ModelInfo& facts = (*model)->info();
    const AppOptions& options = app_.options();
    tei::v1::InfoResponse response;
    response.set_version(std::string(Version()));
    response.set_model_id(facts.model);
    response.set_model_dtype(facts.precision);
    response.set_model_type(tei::v1::MODEL_TYPE_EMBEDDING);
    response.set_max_concurrent_requests(static_cast<uint32_t>(options.scheduler.max_requests));
    response.set_max_input_length(static_cast<uint32_t>(facts.max_tokens));
    response.set_max_batch_tokens(static_cast<uint32_t>(options.scheduler.batch_tokens));
    response.set_max_client_batch_size(static_cast<uint32_t>(options.max_client_batch_size));
    response.set_tokenization_workers(static_cast<uint32_t>(app_.scheduler().num_threads()));
    done(grpc::Status::OK, std::move(response));
  });
}

void GrpcOperations::OnTokenizer(const CallInfo& info, size_t bytes,
                                 std::function<void(const Tokenizer&)> use,
                                 std::function<void(const Error&)> fail) {
  app_.registry().Acquire("", [this, info, bytes, use = std::move(use),
                               fail = std::move(fail)](Result<ServedModelPtr> model) {
    if (!model) return fail(model.error());
    auto work = [served = *model, use, fail] {
      const Result<const Tokenizer*> tokenizer = served->tokenizer();
      tokenizer ? use(**tokenizer) : fail(tokenizer.error());
    };
    const auto ticket =
        app_.scheduler().Submit({.work = std::move(work),
                                 .estimated_tokens = static_cast<int64_t>(bytes / 400 + 1),
                                 .client = info.client,
                                 .deadline = info.deadline},
                                [fail](const Status& status) {
                                  if (!status) fail(status.error());
                                });
    if (!ticket) fail(ticket.error());
  });
}

void GrpcOperations::Tokenize(const CallInfo& info, const tei::v1::EncodeRequest& request,
                              CallDone<tei::v1::EncodeResponse> done) {
  if (request.has_prompt_name()) return done(Invalid("`prompt_name` is not supported"), {});
  const EncodeOptions options{.add_special_tokens = request.add_special_tokens(),
                              .with_offsets = true,
                              .truncation = Off{},
                              .padding = Off{}};
  OnTokenizer(
      info, request.inputs().size(),
      [text = request.inputs(), options, done](const Tokenizer& tokenizer) {
        const auto encoding = tokenizer.Encode(text, options);
        if (!encoding) return done(ToGrpcStatus(encoding.error()), {});
        tei::v1::EncodeResponse response;
        for (size_t i = 0; i < encoding->ids.size(); ++i) {
          tei::v1::SimpleToken& token = *response.add_tokens();
          token.set_id(static_cast<uint32_t>(encoding->ids[i]));
          token.set_text(encoding->tokens[i]);
          token.set_special(encoding->special_tokens_mask[i] != 0);
          if (token.special()) continue;
          token.set_start(static_cast<uint32_t>(encoding->offsets[i].first));
          token.set_stop(static_cast<uint32_t>(encoding->offsets[i].second));
        }
        done(grpc::Status::OK, std::move(response));
      },
      [done](const Error& error) { done(ToGrpcStatus(error), {}); });
}

void GrpcOperations::Decode(const CallInfo& info, const tei::v1::DecodeRequest& request,
                            CallDone<tei::v1::DecodeResponse> done) {
  std::vector<int32_t> ids;
  for (const uint32_t id : request.ids()) {
    if (id > INT32_MAX) return done(Invalid(StrCat("there is no token id ", id)), {});
    ids.push_back(static_cast<int32_t>(id));
  }
  OnTokenizer(
      info, 4 * ids.size(),
      [ids = std::move(ids), skip = request.skip_special_tokens(),
       done](const Tokenizer& tokenizer) {
        const auto text = tokenizer.Decode(ids, skip);
        if (!text) return done(ToGrpcStatus(text.error()), {});
        tei::v1::DecodeResponse response;
        response.set_text(*text);
        done(grpc::Status::OK, std::move(response));
      },
      [done](const Error& error) { done(ToGrpcStatus(error), {}); });
}

void GrpcOperations::AkiDbEmbed(const CallInfo& info,
                                const akidb::embedding::v1::EmbedRequest& request,
                                CallDone<akidb::embedding::v1::EmbedResponse> done) {
  if (request.texts().empty()) return done(Invalid("texts cannot be empty"), {});
  if (static_cast<size_t>(request.texts_size()) > app_.options().max_client_batch_size) {
    return done(
        Invalid(StrCat("at most ", app_.options().max_client_batch_size, " texts per request")),
        {});
  }
  Job job{.model = request.model(),
          .texts = {request.texts().begin(), request.texts().end()},
          .is_list = true};
  job.options.normalize = !request.has_normalize() || request.normalize();
  Run(info, std::move(job), [done](Result<Embeddings> result, const ServedModelPtr& model) {
    if (!result) return done(ToGrpcStatus(result.error()), {});
    akidb::embedding::v1::EmbedResponse response;
    for (size_t i = 0; i < result->size(); ++i) {
      const auto vector = (*result)[i];
      response.add_embeddings()->mutable_values()->Add(vector.begin(), vector.end());
    }
    response.set_model(model->name());
    response.set_dimension(static_cast<uint32_t>(result->dimension()));
    response.mutable_usage()->set_total_tokens(static_cast<uint32_t>(result->usage().total_tokens));
    response.mutable_usage()->set_duration_ms(
        static_cast<uint64_t>(result->usage().duration_ms + 0.5));
    done(grpc::Status::OK, std::move(response));
  });
}

void GrpcOperations::AkiDbInfo(const CallInfo&,
                               CallDone<akidb::embedding::v1::ModelInfoResponse> done) {
  app_.registry().Acquire("", [done = std::move(done)](Result<ServedModelPtr> model) {
    if (!model) return done(ToGrpcStatus(model.error()), {});
    akidb::embedding::v1::ModelInfoResponse response;
    response.set_model((*model)->name());
    response.set_dimension(static_cast<uint32_t>((*model)->info().dimension));
    response.set_max_tokens(static_cast<uint32_t>((*model)->info().max_tokens));
    done(grpc::Status::OK, std::move(response));
  });
}

}  // namespace akin::server

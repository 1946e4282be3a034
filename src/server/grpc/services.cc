#include "server/grpc/services.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "akin/system.h"

#include "server/api/options.h"
#include "server/text.h"

namespace akin::server {
namespace {

tei::v1::ModelType ModelTypeOf(const ModelInfo& info) {
  if (info.kind == ModelKind::kReranker) return tei::v1::MODEL_TYPE_RERANKER;
  if (info.kind == ModelKind::kClassifier) return tei::v1::MODEL_TYPE_CLASSIFIER;
  return tei::v1::MODEL_TYPE_EMBEDDING;
}

}  // namespace

GrpcStatus Refuse(const CallInfo& info, const Failure& failure) {
  info.tally->Fail(FailureKind(failure.problem));
  // What the model cannot do, as TEI says it.
  const bool is_wrong_task = failure.problem == Problem::kWrongTask;
  return {is_wrong_task ? GrpcCode::kFailedPrecondition : GrpcCode::kInvalidArgument,
          failure.message};
}

void GrpcOperations::Info(const CallInfo&, const tei::v1::InfoRequest&,
                          CallDone<tei::v1::InfoResponse> done) {
  app_.registry().Acquire("", [this, done = std::move(done)](Result<ServedModelPtr> model) {
    if (!model) return done(ToGrpcStatus(model.error()), {});
    const ModelInfo& facts = (*model)->info();
    const AppOptions& options = app_.options();
    tei::v1::InfoResponse response;
    response.set_version(std::string(Version()));
    response.set_model_id(facts.model);
    response.set_model_dtype(facts.precision);
    response.set_model_type(ModelTypeOf(facts));
    response.set_max_concurrent_requests(static_cast<uint32_t>(options.scheduler.max_requests));
    response.set_max_input_length(static_cast<uint32_t>(facts.max_tokens));
    response.set_max_batch_tokens(static_cast<uint32_t>(options.scheduler.batch_tokens));
    response.set_max_client_batch_size(static_cast<uint32_t>(options.max_client_batch_size));
    response.set_tokenization_workers(static_cast<uint32_t>(app_.scheduler().num_threads()));
    done(GrpcStatus{}, std::move(response));
  });
}

void GrpcOperations::OnTokenizer(const CallInfo& info, int64_t bytes, int64_t answer_bytes,
                                 std::function<void(const ServedModel&)> use,
                                 std::function<void(const Error&)> fail) {
  info.tally->Begin(false);
  info.share->Expect(answer_bytes);
  app_.registry().Acquire("", [this, info, bytes, answer_bytes, use = std::move(use),
                               fail = std::move(fail)](Result<ServedModelPtr> model) {
    if (!model) return fail(model.error());
    auto work = [served = *model, share = info.share, answer_bytes, use, fail] {
      const Status room = share->Reserve(answer_bytes);
      room ? use(*served) : fail(room.error());
    };
    const auto ticket =
        app_.scheduler().Submit(WorkRequest{.work = std::move(work),
                                            .estimated_tokens = CostOfTokenizing(bytes),
                                            .terms = {.priority = PriorityOf(info, 1),
                                                      .client = info.client,
                                                      .deadline = info.deadline},
                                            .bytes = bytes},
                                [fail](const Status& status) {
                                  if (!status) fail(status.error());
                                });
    if (!ticket) return fail(ticket.error());
    info.departure->OnLeave([this, id = *ticket] { app_.scheduler().Cancel(id); });
  });
}

void GrpcOperations::Tokenize(const CallInfo& info, const tei::v1::EncodeRequest& request,
                              CallDone<tei::v1::EncodeResponse> done) {
  const EncodeOptions options{.add_special_tokens = request.add_special_tokens(),
                              .with_offsets = true,
                              .truncation = Off{},
                              .padding = Off{}};
  const auto bytes = static_cast<int64_t>(request.inputs().size());
  OnTokenizer(
      info, bytes, TokensOfBytes(bytes) * kBytesOfTokenMessage,
      [text = request.inputs(), prompt_name = request.prompt_name(), options,
       done](const ServedModel& model) {
        const auto prompt = PromptOf(model.info(), prompt_name);
        if (!prompt) return done(ToGrpcStatus(prompt.error()), {});
        const auto encoding = model.tokenizer().Encode(StrCat(*prompt, text), options);
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
        done(GrpcStatus{}, std::move(response));
      },
      [done](const Error& error) { done(ToGrpcStatus(error), {}); });
}

void GrpcOperations::Decode(const CallInfo& info, const tei::v1::DecodeRequest& request,
                            CallDone<tei::v1::DecodeResponse> done) {
  std::vector<int32_t> ids;
  for (const uint32_t id : request.ids()) {
    if (id > INT32_MAX) {
      return done(Refuse(info, {Problem::kBadValue, StrCat("there is no token id ", id)}), {});
    }
    ids.push_back(static_cast<int32_t>(id));
  }
  const auto count = static_cast<int64_t>(ids.size());
  const int64_t guess = 8 * count;
  OnTokenizer(
      info, 4 * count, guess,
      [ids = std::move(ids), skip = request.skip_special_tokens(), guess, share = info.share,
       done](const ServedModel& model) {
        // As it is, and as it is written.
        const int64_t bytes = 2 * BytesOfIds(model.tokenizer(), ids);
        const Status room = share->Reserve(std::max<int64_t>(bytes - guess, 0));
        if (!room) return done(ToGrpcStatus(room.error()), {});
        auto text = model.tokenizer().Decode(ids, skip);
        if (!text) return done(ToGrpcStatus(text.error()), {});
        tei::v1::DecodeResponse response;
        response.set_text(*std::move(text));
        done(GrpcStatus{}, std::move(response));
      },
      [done](const Error& error) { done(ToGrpcStatus(error), {}); });
}

void GrpcOperations::AkiDbInfo(const CallInfo&, const akidb::embedding::v1::ModelInfoRequest&,
                               CallDone<akidb::embedding::v1::ModelInfoResponse> done) {
  app_.registry().Acquire("", [done = std::move(done)](Result<ServedModelPtr> model) {
    if (!model) return done(ToGrpcStatus(model.error()), {});
    akidb::embedding::v1::ModelInfoResponse response;
    response.set_model((*model)->name());
    response.set_dimension(static_cast<uint32_t>((*model)->info().dimension));
    response.set_max_tokens(static_cast<uint32_t>((*model)->info().max_tokens));
    done(GrpcStatus{}, std::move(response));
  });
}

}  // namespace akin::server

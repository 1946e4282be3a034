// The services' operations: gRPC's messages on one side, registry and scheduler on the other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "akidb/embedding/v1/embedding.pb.h"
#include "server/app.h"
#include "server/grpc/operation.h"
#include "server/model_calls.h"
#include "tei/v1/tei.pb.h"

namespace akin::server {

// Counts what is wrong with a request to a model, and says it.
GrpcStatus Refuse(const CallInfo& info, const Failure& failure);

// All operations answer, of a call that is cancelled meanwhile more than once, perhaps, and hold no
// reference to the request when they return.
class GrpcOperations {
 public:
  explicit GrpcOperations(App& app) : app_(app) {}

  void Info(const CallInfo& info, const tei::v1::InfoRequest& request,
            CallDone<tei::v1::InfoResponse> done);
  void Tokenize(const CallInfo& info, const tei::v1::EncodeRequest& request,
                CallDone<tei::v1::EncodeResponse> done);
  void Decode(const CallInfo& info, const tei::v1::DecodeRequest& request,
              CallDone<tei::v1::DecodeResponse> done);
  void AkiDbEmbed(const CallInfo& info, const akidb::embedding::v1::EmbedRequest& request,
                  CallDone<akidb::embedding::v1::EmbedResponse> done);
  void AkiDbInfo(const CallInfo& info, const akidb::embedding::v1::ModelInfoRequest& request,
                 CallDone<akidb::embedding::v1::ModelInfoResponse> done);

  // model_services.cc
  void Embed(const CallInfo& info, const tei::v1::EmbedRequest& request,
             CallDone<tei::v1::EmbedResponse> done);
  void EmbedSparse(const CallInfo& info, const tei::v1::EmbedSparseRequest& request,
                   CallDone<tei::v1::EmbedSparseResponse> done);
  void EmbedAll(const CallInfo& info, const tei::v1::EmbedAllRequest& request,
                CallDone<tei::v1::EmbedAllResponse> done);
  void Predict(const CallInfo& info, const tei::v1::PredictRequest& request,
               CallDone<tei::v1::PredictResponse> done);
  void PredictPair(const CallInfo& info, const tei::v1::PredictPairRequest& request,
                   CallDone<tei::v1::PredictResponse> done);
  void Rerank(const CallInfo& info, const tei::v1::RerankRequest& request,
              CallDone<tei::v1::RerankResponse> done);
  // The messages of a stream together; a text each.
  void RerankTexts(const CallInfo& info, const std::vector<tei::v1::RerankStreamRequest>& texts,
                   CallDone<tei::v1::RerankResponse> done);
  // Messages that one stream may hold before it is answered.
  size_t max_gathered() const { return app_.options().max_client_batch_size; }

 private:
  // A request of `texts` texts, to be computed or refused.
  template <typename Answer>
  void Begin(const CallInfo& info, size_t texts, bool is_list);
  // What goes through the queue, after Begin: `make` fills in the request once the model is there,
  // or says why not; `done` gets the answer.
  template <typename Answer>
  using Answered = std::function<void(Result<Answer>, const ServedModelPtr&)>;
  struct RunFacts {
    std::string model;  // As the client calls it; empty: it does not.
    CallRecord::Input input;
    int64_t returned_bytes = 0;  // Of the request's, in the answer.
  };
  template <typename Answer, typename Request>
  void Run(const CallInfo& info, const RunFacts& facts,
           std::function<std::optional<Failure>(const ServedModel&, Request&)> make,
           std::function<void(GrpcStatus)> refuse, Answered<Answer> done);
  // As the client says, or by how much it asks for; the record knows it from now on.
  Priority PriorityOf(const CallInfo& info, int64_t texts) const;
  template <typename Response>
  void EmbedOne(const CallInfo& info, std::string text, EmbedOptions options, Output output,
                CallDone<Response> done, std::function<void(const AllEmbeddings&, Response&)> fill);
  void PredictOne(const CallInfo& info, ScoreRequest::Input input, const ScoreOptions& options,
                  bool raw_scores, CallDone<tei::v1::PredictResponse> done);
  // Work on a tokenizer that is given `bytes` and answers with about `answer_bytes`. Of a call that
  // is cancelled meanwhile, both `use` and `fail` may be called.
  void OnTokenizer(const CallInfo& info, int64_t bytes, int64_t answer_bytes,
                   std::function<void(const ServedModel&)> use,
                   std::function<void(const Error&)> fail);

  App& app_;
};

}  // namespace akin::server

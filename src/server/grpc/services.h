// The services' operations: gRPC's messages on one side, registry and scheduler on the other.
#pragma once

#include <memory>
#include <string>

#include "akidb/embedding/v1/embedding.pb.h"
#include "server/app.h"
#include "server/grpc/call.h"
#include "tei/v1/tei.pb.h"

namespace akin::server {

// The table of reliability.md: an error of the library as gRPC says it.
grpc::Status ToGrpcStatus(const Error& error);

// All operations answer exactly once and hold no reference to the request when they return.
class GrpcOperations {
 public:
  explicit GrpcOperations(App& app) : app_(app) {}

  // Whose call it is; an error without a valid key.
  grpc::Status ReadCaller(const grpc::CallbackServerContext& context, CallInfo& info) const;

  void Info(const CallInfo& info, CallDone<tei::v1::InfoResponse> done);
  void Embed(const CallInfo& info, const tei::v1::EmbedRequest& request,
             CallDone<tei::v1::EmbedResponse> done);
  void Tokenize(const CallInfo& info, const tei::v1::EncodeRequest& request,
                CallDone<tei::v1::EncodeResponse> done);
  void Decode(const CallInfo& info, const tei::v1::DecodeRequest& request,
              CallDone<tei::v1::DecodeResponse> done);
  void AkiDbEmbed(const CallInfo& info, const akidb::embedding::v1::EmbedRequest& request,
                  CallDone<akidb::embedding::v1::EmbedResponse> done);
  void AkiDbInfo(const CallInfo& info, CallDone<akidb::embedding::v1::ModelInfoResponse> done);

 private:
  struct Job {
    std::string model;
    std::vector<std::string> texts;
    EmbedOptions options;
    bool is_list = false;
  };
  using Embedded = std::function<void(Result<Embeddings>, const ServedModelPtr&)>;
  void Run(const CallInfo& info, Job job, Embedded done);
  void OnTokenizer(const CallInfo& info, size_t bytes, std::function<void(const Tokenizer&)> use,
                   std::function<void(const Error&)> fail);

  App& app_;
};

}  // namespace akin::server

#include "server/grpc/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "akidb/embedding/v1/embedding.grpc.pb.h"
#include "server/grpc/call.h"
#include "server/grpc/services.h"
#include "server/text.h"
#include "tei/v1/tei.grpc.pb.h"

namespace akin::server {
namespace {

using grpc::CallbackServerContext;

constexpr int kMaxMessageBytes = 4 << 20;
constexpr int kMaxStreams = 100;

// The key first, then the operation.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* Unary(GrpcOperations& operations, CallbackServerContext* context,
                                const Request* request, Response* response,
                                const Operation<Request, Response>& operation) {
  CallInfo info;
  const grpc::Status status = operations.ReadCaller(*context, info);
  if (!status.ok()) return new RefusedCall(status);
  return new UnaryCall<Request, Response>(info, *request, response, operation);
}

template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* Stream(GrpcOperations& operations,
                                                   CallbackServerContext* context,
                                                   Operation<Request, Response> operation) {
  CallInfo info;
  const grpc::Status status = operations.ReadCaller(*context, info);
  if (!status.ok()) return new RefusedStream<Request, Response>(status);
  return new StreamCall<Request, Response>(std::move(info), std::move(operation));
}

class InfoService final : public tei::v1::Info::CallbackService {
 public:
  explicit InfoService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Info(CallbackServerContext* context,
                                 const tei::v1::InfoRequest* request,
                                 tei::v1::InfoResponse* response) override {
    return Unary<tei::v1::InfoRequest, tei::v1::InfoResponse>(
        operations_, context, request, response,
        [this](const CallInfo& info, const tei::v1::InfoRequest&, auto done) {
          operations_.Info(info, std::move(done));
        });
  }

 private:
  GrpcOperations& operations_;
};

// Sparse and token vectors answer UNIMPLEMENTED, the base class's own.
class EmbedService final : public tei::v1::Embed::CallbackService {
 public:
  explicit EmbedService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Embed(CallbackServerContext* context,
                                  const tei::v1::EmbedRequest* request,
                                  tei::v1::EmbedResponse* response) override {
    return Unary<tei::v1::EmbedRequest, tei::v1::EmbedResponse>(operations_, context, request,
                                                                response, EmbedOne());
  }
  grpc::ServerBidiReactor<tei::v1::EmbedRequest, tei::v1::EmbedResponse>* EmbedStream(
      CallbackServerContext* context) override {
    return Stream<tei::v1::EmbedRequest, tei::v1::EmbedResponse>(operations_, context, EmbedOne());
  }

 private:
  Operation<tei::v1::EmbedRequest, tei::v1::EmbedResponse> EmbedOne() {
    return [this](const CallInfo& info, const tei::v1::EmbedRequest& request, auto done) {
      operations_.Embed(info, request, std::move(done));
    };
  }
  GrpcOperations& operations_;
};

class TokenizeService final : public tei::v1::Tokenize::CallbackService {
 public:
  explicit TokenizeService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Tokenize(CallbackServerContext* context,
                                     const tei::v1::EncodeRequest* request,
                                     tei::v1::EncodeResponse* response) override {
    return Unary<tei::v1::EncodeRequest, tei::v1::EncodeResponse>(operations_, context, request,
                                                                  response, Encode());
  }
  grpc::ServerBidiReactor<tei::v1::EncodeRequest, tei::v1::EncodeResponse>* TokenizeStream(
      CallbackServerContext* context) override {
    return Stream<tei::v1::EncodeRequest, tei::v1::EncodeResponse>(operations_, context, Encode());
  }
  grpc::ServerUnaryReactor* Decode(CallbackServerContext* context,
                                   const tei::v1::DecodeRequest* request,
                                   tei::v1::DecodeResponse* response) override {
    return Unary<tei::v1::DecodeRequest, tei::v1::DecodeResponse>(operations_, context, request,
                                                                  response, ToText());
  }
  grpc::ServerBidiReactor<tei::v1::DecodeRequest, tei::v1::DecodeResponse>* DecodeStream(
      CallbackServerContext* context) override {
    return Stream<tei::v1::DecodeRequest, tei::v1::DecodeResponse>(operations_, context, ToText());
  }

 private:
  Operation<tei::v1::EncodeRequest, tei::v1::EncodeResponse> Encode() {
    return [this](const CallInfo& info, const tei::v1::EncodeRequest& request, auto done) {
      operations_.Tokenize(info, request, std::move(done));
    };
  }
  Operation<tei::v1::DecodeRequest, tei::v1::DecodeResponse> ToText() {
    return [this](const CallInfo& info, const tei::v1::DecodeRequest& request, auto done) {
      operations_.Decode(info, request, std::move(done));
    };
  }
  GrpcOperations& operations_;
};

class AkiDbService final : public akidb::embedding::v1::EmbeddingService::CallbackService {
 public:
  explicit AkiDbService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Embed(CallbackServerContext* context,
                                  const akidb::embedding::v1::EmbedRequest* request,
                                  akidb::embedding::v1::EmbedResponse* response) override {
    return Unary<akidb::embedding::v1::EmbedRequest, akidb::embedding::v1::EmbedResponse>(
        operations_, context, request, response,
        [this](const CallInfo& info, const akidb::embedding::v1::EmbedRequest& asked, auto done) {
          operations_.AkiDbEmbed(info, asked, std::move(done));
        });
  }
  grpc::ServerUnaryReactor* GetModelInfo(
      CallbackServerContext* context, const akidb::embedding::v1::ModelInfoRequest* request,
      akidb::embedding::v1::ModelInfoResponse* response) override {
    return Unary<akidb::embedding::v1::ModelInfoRequest, akidb::embedding::v1::ModelInfoResponse>(
        operations_, context, request, response,
        [this](const CallInfo& info, const akidb::embedding::v1::ModelInfoRequest&, auto done) {
          operations_.AkiDbInfo(info, std::move(done));
        });
  }

 private:
  GrpcOperations& operations_;
};

Result<std::string> ReadPem(std::string_view option, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return InvalidInput(option, ' ', path, " cannot be read");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::shared_ptr<grpc::ServerCredentials>> Credentials(const GrpcOptions& options) {
  if (options.tls_cert.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions ssl;
  AKIN_TRY_ASSIGN(std::string cert, ReadPem("--tls-cert", options.tls_cert));
  AKIN_TRY_ASSIGN(std::string key, ReadPem("--tls-key", options.tls_key));
  ssl.pem_key_cert_pairs.push_back({std::move(key), std::move(cert)});
  return grpc::SslServerCredentials(ssl);
}

class CallbackGrpcServer final : public GrpcServer {
 public:
  explicit CallbackGrpcServer(App& app)
      : operations_(app),
        info_(operations_),
        embed_(operations_),
        tokenize_(operations_),
        akidb_(operations_) {}
  ~CallbackGrpcServer() override { Shutdown(std::chrono::milliseconds(0)); }

  Status Start(const GrpcOptions& options) {
    AKIN_TRY_ASSIGN(const auto credentials, Credentials(options));
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreams);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    const bool is_v6 = options.host.find(':') != std::string::npos;
    const std::string address = is_v6 ? StrCat('[', options.host, "]:", options.port)
                                      : StrCat(options.host, ':', options.port);
    builder.AddListeningPort(address, credentials, &port_);
    builder.RegisterService(&info_);
    builder.RegisterService(&embed_);
    builder.RegisterService(&predict_);
    builder.RegisterService(&rerank_);
    builder.RegisterService(&tokenize_);
    builder.RegisterService(&akidb_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) {
      return MakeError(ErrorCode::kServiceUnavailable, "cannot listen on ", address, " for gRPC");
    }
    SetServing(false);
    return {};
  }

  uint16_t port() const override { return static_cast<uint16_t>(port_); }
  void SetServing(bool serving) override {
    server_->GetHealthCheckService()->SetServingStatus(serving);
  }
  void Shutdown(std::chrono::milliseconds deadline) override {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + deadline);
    server_.reset();
  }

 private:
  GrpcOperations operations_;
  InfoService info_;
  EmbedService embed_;
  tei::v1::Predict::CallbackService predict_;  // UNIMPLEMENTED.
  tei::v1::Rerank::CallbackService rerank_;    // UNIMPLEMENTED.
  TokenizeService tokenize_;
  AkiDbService akidb_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(const GrpcOptions& options, App& app) {
  auto server = std::make_unique<CallbackGrpcServer>(app);
  AKIN_TRY(server->Start(options));
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace akin::server

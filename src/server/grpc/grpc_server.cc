#include "server/grpc/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "akidb/embedding/v1/embedding.grpc.pb.h"
#include "server/grpc/call.h"
#include "server/grpc/services.h"
#include "server/text.h"
#include "tei/v1/tei.grpc.pb.h"

namespace akin::server {
namespace {

using grpc::CallbackServerContext;

constexpr int kMaxStreams = 100;
// Of all connections and what they receive together; beyond it gRPC ends calls. Without it a client
// has 4 MB of an unfinished message on each of its streams, 400 MB a connection.
constexpr size_t kMaxConnectionsBytes = size_t{128} << 20;

template <typename Request, typename Response>
using Member = void (GrpcOperations::*)(const CallInfo&, const Request&, CallDone<Response>);

// Calls that only ask what the server is; all others are counted as requests to a model.
template <typename Request>
constexpr bool kAsksModel = !std::is_same_v<Request, tei::v1::InfoRequest> &&
                            !std::is_same_v<Request, akidb::embedding::v1::ModelInfoRequest>;

// A call that has arrived.
struct Incoming {
  CallbackServerContext* context;
  RpcName name;
};

// The key first, then the operation.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* Unary(GrpcOperations& operations, const Incoming& call,
                                const Request* request, Response* response,
                                Member<Request, Response> member) {
  static_assert(kIsMarked<Request>, "add it to request_traits.h");
  CallInfo info;
  const grpc::Status status = operations.ReadCaller(call.name, *call.context, info);
  if (!status.ok()) return new RefusedCall(status);
  if (kAsksModel<Request>) info.tally = std::make_shared<RequestTally>(*info.metrics);
  if (IsUnreadable(*request)) {
    if (info.tally != nullptr) CountEnd(*info.tally, *info.share, UnreadableStatus<Request>());
    info.record->End(UnreadableStatus<Request>());
    return new RefusedCall(UnreadableStatus<Request>());
  }
  return new UnaryCall<Request, Response>(
      std::move(info), *request, response,
      [&operations, member](const CallInfo& caller, const Request& message, auto done) {
        (operations.*member)(caller, message, std::move(done));
      });
}

template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* Stream(GrpcOperations& operations, const Incoming& call,
                                                   Member<Request, Response> member) {
  static_assert(kIsMarked<Request>, "add it to request_traits.h");
  CallInfo info;
  const grpc::Status status = operations.ReadCaller(call.name, *call.context, info);
  if (!status.ok()) return new RefusedStream<Request, Response>(status);
  return new StreamCall<Request, Response>(
      std::move(info),
      [&operations, member](const CallInfo& caller, const Request& message, auto done) {
        (operations.*member)(caller, message, std::move(done));
      });
}

template <typename Request, typename Response>
grpc::ServerReadReactor<Request>* Gather(GrpcOperations& operations, const Incoming& call,
                                         Response* response,
                                         Member<std::vector<Request>, Response> member) {
  static_assert(kIsMarked<Request>, "add it to request_traits.h");
  CallInfo info;
  const grpc::Status status = operations.ReadCaller(call.name, *call.context, info);
  if (!status.ok()) return new RefusedGather<Request>(status);
  info.tally = std::make_shared<RequestTally>(*info.metrics);
  return new GatherCall<Request, Response>(
      std::move(info), operations.max_gathered(), response,
      [&operations, member](const CallInfo& caller, const std::vector<Request>& messages,
                            auto done) {
        (operations.*member)(caller, messages, std::move(done));
      });
}

using Context = CallbackServerContext;

template <typename Service>
Incoming Call(Context* context, std::string_view method) {
  return {context, {Service::service_full_name(), method}};
}

class InfoService final : public tei::v1::Info::CallbackService {
 public:
  explicit InfoService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Info(Context* context, const tei::v1::InfoRequest* request,
                                 tei::v1::InfoResponse* response) override {
    return Unary(operations_, Call<tei::v1::Info>(context, "Info"), request, response,
                 &GrpcOperations::Info);
  }

 private:
  GrpcOperations& operations_;
};

class EmbedService final : public tei::v1::Embed::CallbackService {
 public:
  explicit EmbedService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Embed(Context* context, const tei::v1::EmbedRequest* request,
                                  tei::v1::EmbedResponse* response) override {
    return Unary(operations_, Call<tei::v1::Embed>(context, "Embed"), request, response,
                 &GrpcOperations::Embed);
  }
  grpc::ServerBidiReactor<tei::v1::EmbedRequest, tei::v1::EmbedResponse>* EmbedStream(
      Context* context) override {
    return Stream(operations_, Call<tei::v1::Embed>(context, "EmbedStream"),
                  &GrpcOperations::Embed);
  }
  grpc::ServerUnaryReactor* EmbedSparse(Context* context,
                                        const tei::v1::EmbedSparseRequest* request,
                                        tei::v1::EmbedSparseResponse* response) override {
    return Unary(operations_, Call<tei::v1::Embed>(context, "EmbedSparse"), request, response,
                 &GrpcOperations::EmbedSparse);
  }
  grpc::ServerBidiReactor<tei::v1::EmbedSparseRequest, tei::v1::EmbedSparseResponse>*
  EmbedSparseStream(Context* context) override {
    return Stream(operations_, Call<tei::v1::Embed>(context, "EmbedSparseStream"),
                  &GrpcOperations::EmbedSparse);
  }
  grpc::ServerUnaryReactor* EmbedAll(Context* context, const tei::v1::EmbedAllRequest* request,
                                     tei::v1::EmbedAllResponse* response) override {
    return Unary(operations_, Call<tei::v1::Embed>(context, "EmbedAll"), request, response,
                 &GrpcOperations::EmbedAll);
  }
  grpc::ServerBidiReactor<tei::v1::EmbedAllRequest, tei::v1::EmbedAllResponse>* EmbedAllStream(
      Context* context) override {
    return Stream(operations_, Call<tei::v1::Embed>(context, "EmbedAllStream"),
                  &GrpcOperations::EmbedAll);
  }

 private:
  GrpcOperations& operations_;
};

class PredictService final : public tei::v1::Predict::CallbackService {
 public:
  explicit PredictService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Predict(Context* context, const tei::v1::PredictRequest* request,
                                    tei::v1::PredictResponse* response) override {
    return Unary(operations_, Call<tei::v1::Predict>(context, "Predict"), request, response,
                 &GrpcOperations::Predict);
  }
  grpc::ServerBidiReactor<tei::v1::PredictRequest, tei::v1::PredictResponse>* PredictStream(
      Context* context) override {
    return Stream(operations_, Call<tei::v1::Predict>(context, "PredictStream"),
                  &GrpcOperations::Predict);
  }
  grpc::ServerUnaryReactor* PredictPair(Context* context,
                                        const tei::v1::PredictPairRequest* request,
                                        tei::v1::PredictResponse* response) override {
    return Unary(operations_, Call<tei::v1::Predict>(context, "PredictPair"), request, response,
                 &GrpcOperations::PredictPair);
  }
  grpc::ServerBidiReactor<tei::v1::PredictPairRequest, tei::v1::PredictResponse>* PredictPairStream(
      Context* context) override {
    return Stream(operations_, Call<tei::v1::Predict>(context, "PredictPairStream"),
                  &GrpcOperations::PredictPair);
  }

 private:
  GrpcOperations& operations_;
};

class RerankService final : public tei::v1::Rerank::CallbackService {
 public:
  explicit RerankService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Rerank(Context* context, const tei::v1::RerankRequest* request,
                                   tei::v1::RerankResponse* response) override {
    return Unary(operations_, Call<tei::v1::Rerank>(context, "Rerank"), request, response,
                 &GrpcOperations::Rerank);
  }
  grpc::ServerReadReactor<tei::v1::RerankStreamRequest>* RerankStream(
      Context* context, tei::v1::RerankResponse* response) override {
    return Gather(operations_, Call<tei::v1::Rerank>(context, "RerankStream"), response,
                  &GrpcOperations::RerankTexts);
  }

 private:
  GrpcOperations& operations_;
};

class TokenizeService final : public tei::v1::Tokenize::CallbackService {
 public:
  explicit TokenizeService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Tokenize(Context* context, const tei::v1::EncodeRequest* request,
                                     tei::v1::EncodeResponse* response) override {
    return Unary(operations_, Call<tei::v1::Tokenize>(context, "Tokenize"), request, response,
                 &GrpcOperations::Tokenize);
  }
  grpc::ServerBidiReactor<tei::v1::EncodeRequest, tei::v1::EncodeResponse>* TokenizeStream(
      Context* context) override {
    return Stream(operations_, Call<tei::v1::Tokenize>(context, "TokenizeStream"),
                  &GrpcOperations::Tokenize);
  }
  grpc::ServerUnaryReactor* Decode(Context* context, const tei::v1::DecodeRequest* request,
                                   tei::v1::DecodeResponse* response) override {
    return Unary(operations_, Call<tei::v1::Tokenize>(context, "Decode"), request, response,
                 &GrpcOperations::Decode);
  }
  grpc::ServerBidiReactor<tei::v1::DecodeRequest, tei::v1::DecodeResponse>* DecodeStream(
      Context* context) override {
    return Stream(operations_, Call<tei::v1::Tokenize>(context, "DecodeStream"),
                  &GrpcOperations::Decode);
  }

 private:
  GrpcOperations& operations_;
};

class AkiDbService final : public akidb::embedding::v1::EmbeddingService::CallbackService {
 public:
  explicit AkiDbService(GrpcOperations& operations) : operations_(operations) {}
  grpc::ServerUnaryReactor* Embed(Context* context,
                                  const akidb::embedding::v1::EmbedRequest* request,
                                  akidb::embedding::v1::EmbedResponse* response) override {
    return Unary(operations_, Call<akidb::embedding::v1::EmbeddingService>(context, "Embed"),
                 request, response, &GrpcOperations::AkiDbEmbed);
  }
  grpc::ServerUnaryReactor* GetModelInfo(
      Context* context, const akidb::embedding::v1::ModelInfoRequest* request,
      akidb::embedding::v1::ModelInfoResponse* response) override {
    return Unary(operations_, Call<akidb::embedding::v1::EmbeddingService>(context, "GetModelInfo"),
                 request, response, &GrpcOperations::AkiDbInfo);
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

std::string AddressOf(const GrpcOptions& options) {
  const bool is_v6 = options.host.find(':') != std::string::npos;
  return is_v6 ? StrCat('[', options.host, "]:", options.port)
               : StrCat(options.host, ':', options.port);
}

Error CannotListen(const GrpcOptions& options, std::string_view why) {
  return MakeError(ErrorCode::kServiceUnavailable, "--grpc-port: cannot listen on ",
                   AddressOf(options), " for gRPC: ", why);
}

// errno of listening there for a moment, as gRPC does: with SO_REUSEADDR.
int TryListening(const addrinfo& address) {
  const int fd = socket(address.ai_family, address.ai_socktype, address.ai_protocol);
  if (fd < 0) return errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool listens =
      bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0;
  const int error = listens ? 0 : errno;
  close(fd);
  return error;
}

class CallbackGrpcServer final : public GrpcServer {
 public:
  CallbackGrpcServer(App& app, std::chrono::milliseconds write_timeout)
      : writes_(write_timeout),
        operations_(app, writes_),
        info_(operations_),
        embed_(operations_),
        predict_(operations_),
        rerank_(operations_),
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
    builder.SetResourceQuota(grpc::ResourceQuota("akin").Resize(kMaxConnectionsBytes));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddListeningPort(AddressOf(options), credentials, &port_);
    builder.RegisterService(&info_);
    builder.RegisterService(&embed_);
    builder.RegisterService(&predict_);
    builder.RegisterService(&rerank_);
    builder.RegisterService(&tokenize_);
    builder.RegisterService(&akidb_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) {
      AKIN_TRY(CheckAddress(options));  // gRPC does not say why.
      return CannotListen(options, "gRPC's library does not say why");
    }
    SetServing(false);
    return {};
  }

  uint16_t port() const override { return static_cast<uint16_t>(port_); }
  void SetServing(bool serving) override {
    server_->GetHealthCheckService()->SetServingStatus(serving);
  }
  void Sweep() override { writes_.Sweep(WriteWatch::Clock::now()); }
  size_t num_writing() const override { return writes_.size(); }
  void Shutdown(std::chrono::milliseconds deadline) override {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() + deadline);
    server_.reset();
  }

 private:
  WriteWatch writes_;
  GrpcOperations operations_;
  InfoService info_;
  EmbedService embed_;
  PredictService predict_;
  RerankService rerank_;
  TokenizeService tokenize_;
  AkiDbService akidb_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace

// A name may have several addresses; gRPC is content with one of them.
Status GrpcServer::CheckAddress(const GrpcOptions& options) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int unknown =
      getaddrinfo(options.host.c_str(), std::to_string(options.port).c_str(), &hints, &found);
  if (unknown != 0) return CannotListen(options, gai_strerror(unknown));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  int error = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    error = TryListening(*address);
    if (error == 0) return {};
  }
  return CannotListen(options, std::system_category().message(error));
}

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(const GrpcOptions& options, App& app) {
  auto server = std::make_unique<CallbackGrpcServer>(app, options.write_timeout);
  AKIN_TRY(server->Start(options));
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace akin::server

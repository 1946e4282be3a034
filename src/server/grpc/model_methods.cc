#include "server/grpc/model_methods.h"

#include <string_view>

namespace akin::server {
namespace {

class Table {
 public:
  explicit Table(GrpcOperations& operations) : operations_(operations) {}

  template <typename Request, typename Response>
  using Member = void (GrpcOperations::*)(const CallInfo&, const Request&, CallDone<Response>);

  void Of(std::string_view service) { service_ = service; }

  template <typename Request, typename Response>
  Method& Unary(std::string_view name, Member<Request, Response> member) {
    return Add(name, MethodKind::kUnary,
               OperationOf<Request, Response>(Calling<Request, Response>(member)));
  }
  template <typename Request, typename Response>
  void Stream(std::string_view name, Member<Request, Response> member) {
    Add(name, MethodKind::kStream,
        OperationOf<Request, Response>(Calling<Request, Response>(member)));
  }
  template <typename Request, typename Response>
  void Gather(std::string_view name, Member<std::vector<Request>, Response> member) {
    Add(name, MethodKind::kGather,
        GatheringOperationOf<Request, Response>(Calling<std::vector<Request>, Response>(member)))
        .most_messages = operations_.max_gathered();
  }
  // One that only asks what the server is.
  template <typename Request, typename Response>
  void Facts(std::string_view name, Member<Request, Response> member) {
    Unary(name, member).asks_model = false;
  }

  std::vector<Method> Take() { return std::move(methods_); }

 private:
  template <typename Request, typename Response>
  auto Calling(Member<Request, Response> member) {
    return [&operations = operations_, member](const CallInfo& info, const Request& request,
                                               CallDone<Response> done) {
      (operations.*member)(info, request, std::move(done));
    };
  }
  template <typename Operation>
  Method& Add(std::string_view name, MethodKind kind, Operation operation) {
    return methods_.emplace_back(
        Method{.name = {service_, name}, .kind = kind, .operation = std::move(operation)});
  }

  GrpcOperations& operations_;
  std::string_view service_;
  std::vector<Method> methods_;
};

}  // namespace

std::vector<Method> ModelMethods(GrpcOperations& operations) {
  using Operations = GrpcOperations;
  Table table(operations);
  table.Of("tei.v1.Info");
  table.Facts("Info", &Operations::Info);
  table.Of("tei.v1.Embed");
  table.Unary("Embed", &Operations::Embed);
  table.Stream("EmbedStream", &Operations::Embed);
  table.Unary("EmbedSparse", &Operations::EmbedSparse);
  table.Stream("EmbedSparseStream", &Operations::EmbedSparse);
  table.Unary("EmbedAll", &Operations::EmbedAll);
  table.Stream("EmbedAllStream", &Operations::EmbedAll);
  table.Of("tei.v1.Predict");
  table.Unary("Predict", &Operations::Predict);
  table.Stream("PredictStream", &Operations::Predict);
  table.Unary("PredictPair", &Operations::PredictPair);
  table.Stream("PredictPairStream", &Operations::PredictPair);
  table.Of("tei.v1.Rerank");
  table.Unary("Rerank", &Operations::Rerank);
  table.Gather("RerankStream", &Operations::RerankTexts);
  table.Of("tei.v1.Tokenize");
  table.Unary("Tokenize", &Operations::Tokenize);
  table.Stream("TokenizeStream", &Operations::Tokenize);
  table.Unary("Decode", &Operations::Decode);
  table.Stream("DecodeStream", &Operations::Decode);
  table.Of("akidb.embedding.v1.EmbeddingService");
  table.Unary("Embed", &Operations::AkiDbEmbed);
  table.Facts("GetModelInfo", &Operations::AkiDbInfo);
  return table.Take();
}

}  // namespace akin::server

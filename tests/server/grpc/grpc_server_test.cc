#include "server/grpc/grpc_server.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "akin/descriptors/descriptors.pb.h"

#include "deflated.h"
#include "fake_stream.h"
#include "server/grpc/calls.h"

namespace akin::server {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

// A server without a model.
class GrpcServerTest : public testing::Test {
 protected:
  GrpcServerTest() : scheduler_(Scheduler::Start({.num_threads = 1})) {
    app_ = std::make_unique<App>(AppOptions{.api_keys = {"secret"}}, registry_, **scheduler_,
                                 metrics_, logger_);
    server_ = std::make_unique<GrpcServer>(GrpcOptions{}, *app_);
    server_->set_loop(loop_.Post(), loop_.Settle());
  }

  static HttpRequest Head(std::string path, std::vector<HttpHeader> more = {}) {
    HttpRequest head{.method = "POST",
                     .path = std::move(path),
                     .headers = {{"content-type", "application/grpc"}, {"te", "trailers"}}};
    head.headers.insert(head.headers.end(), more.begin(), more.end());
    return head;
  }
  // The whole of a call with these messages.
  std::unique_ptr<Http2StreamHandler> Call(HttpRequest head, std::vector<std::string> messages,
                                           FakeResponder& responder) {
    auto stream = server_->Begin(std::move(head), "1.2.3.4", false, responder);
    for (const std::string& message : messages) stream->OnData(Framed(message));
    stream->OnEnd();
    loop_.Run();
    return stream;
  }
  template <typename Response>
  static Response Read(const std::string& framed) {
    Response response;
    EXPECT_TRUE(response.ParseFromString(framed.substr(kMessagePrefixBytes)));
    return response;
  }
  static std::string HealthOf(const std::string& service) {
    HealthCheckRequest request;
    request.set_service(service);
    return request.SerializeAsString();
  }
  ServerReflectionResponse Reflect(const std::function<void(ServerReflectionRequest&)>& set,
                                   const char* version = "v1") {
    ServerReflectionRequest request;
    set(request);
    FakeResponder responder;
    Call(
        Head(std::string("/grpc.reflection.") + version + ".ServerReflection/ServerReflectionInfo"),
        {request.SerializeAsString()}, responder);
    EXPECT_EQ(responder.Trailer("grpc-status"), "0");
    EXPECT_EQ(responder.data.size(), 1U);
    return Read<ServerReflectionResponse>(responder.data.at(0));
  }

  Logger logger_{LogLevel::kInfo, false};
  ModelRegistry registry_{{}, logger_};
  Metrics metrics_;
  Result<std::unique_ptr<Scheduler>> scheduler_;
  std::unique_ptr<App> app_;
  FakeLoop loop_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(GrpcServerTest, WhatIsNotGrpcIsRefusedInHttp) {
  HttpRequest head = Head("/tei.v1.Embed/Embed");
  head.headers[0].value = "application/json";
  FakeResponder responder;
  const auto json = server_->Begin(head, "1.2.3.4", true, responder);
  EXPECT_EQ(responder.status, 415);
  head = Head("/tei.v1.Embed/Embed");
  head.method = "GET";
  FakeResponder other;
  const auto get = server_->Begin(head, "1.2.3.4", true, other);
  EXPECT_EQ(other.status, 405);
}

TEST_F(GrpcServerTest, RefusalsAreTrailersOnly) {
  const std::vector<HttpHeader> key = {{"authorization", "Bearer secret"}};
  const auto with_key = [&](HttpHeader more) {
    return std::vector<HttpHeader>{key[0], std::move(more)};
  };
  const std::pair<HttpRequest, GrpcCode> kCases[] = {
      {Head("/tei.v1.Embed/Nothing", key), GrpcCode::kUnimplemented},
      {Head("/", key), GrpcCode::kUnimplemented},
      {Head("/tei.v1.Embed/Embed"), GrpcCode::kUnauthenticated},
      {Head("/tei.v1.Embed/Embed", {{"authorization", "Bearer wrong"}}),
       GrpcCode::kUnauthenticated},
      {Head("/tei.v1.Embed/Embed", with_key({"grpc-timeout", "1s"})), GrpcCode::kInvalidArgument},
      {Head("/tei.v1.Embed/Embed", with_key({"grpc-encoding", "br"})), GrpcCode::kUnimplemented}};
  for (const auto& [head, code] : kCases) {
    FakeResponder responder;
    const auto stream = server_->Begin(head, "1.2.3.4", false, responder);
    EXPECT_TRUE(responder.ended);
    EXPECT_EQ(responder.status, 200);
    EXPECT_EQ(responder.Header("grpc-status"), std::to_string(static_cast<int>(code)));
    EXPECT_EQ(responder.Header("grpc-accept-encoding"), "identity, deflate, gzip");
    EXPECT_TRUE(responder.trailers.empty());
    stream->OnData("what is on its way is thrown away");
    stream->OnGone(true);
  }
}

TEST_F(GrpcServerTest, WhatIsRefusedIsCountedAndHasALine) {
  const auto refuse = [&](const std::string& path, std::vector<HttpHeader> more) {
    FakeResponder responder;
    server_->Begin(Head(path, std::move(more)), "1.2.3.4", true, responder)->OnGone(true);
    EXPECT_FALSE(responder.Header("x-request-id").empty());
    return responder.Header("grpc-status");
  };
  testing::internal::CaptureStderr();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(refuse("/tei.v1.Embed/Embed", {}), "16");
  EXPECT_EQ(refuse("/nothing.like/it", {}), "16");
  EXPECT_EQ(refuse("/nothing.like/it", {{"authorization", "Bearer secret"}}), "12");
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(lines, '\n'), 2) << lines;
  EXPECT_EQ(lines.find("nothing"), std::string::npos) << lines;
  const std::string counted = metrics_.Render({});
  for (const char* line :
       {R"(akin_grpc_calls_total{method="tei.v1.Embed/Embed",status="UNAUTHENTICATED"} 20)",
        R"(akin_grpc_calls_total{method="other",status="UNAUTHENTICATED"} 1)",
        R"(akin_grpc_calls_total{method="other",status="UNIMPLEMENTED"} 1)"})
    EXPECT_NE(counted.find(line), std::string::npos) << counted;
}

TEST_F(GrpcServerTest, AMessageThatCannotBeReadIsSaid) {
  for (const char* path : {"/tei.v1.Embed/Embed", "/tei.v1.Embed/EmbedStream"}) {
    FakeResponder responder;
    const auto stream =
        Call(Head(path, {{"authorization", "Bearer secret"}}), {"\xff\xff\xff\xff\xff"}, responder);
    EXPECT_EQ(responder.Trailer("grpc-status"), "3") << path;
    EXPECT_EQ(responder.Trailer("grpc-message"),
              "the message cannot be read as a tei.v1.EmbedRequest");
    EXPECT_FALSE(responder.Header("x-request-id").empty());
    stream->OnGone(true);
  }
}

TEST_F(GrpcServerTest, HealthOfTheServerAndItsServices) {
  const auto check = [&](const std::string& service) {
    FakeResponder responder;
    Call(Head("/grpc.health.v1.Health/Check"), {HealthOf(service)}, responder)->OnGone(true);
    return responder.data.empty()
               ? responder.Trailer("grpc-status")
               : std::to_string(Read<HealthCheckResponse>(responder.data[0]).status());
  };
  EXPECT_EQ(check(""), "2");
  server_->SetServing(true);
  EXPECT_EQ(check(""), "1");
  EXPECT_EQ(check("tei.v1.Embed"), "1");
  EXPECT_EQ(check("akidb.embedding.v1.EmbeddingService"), "1");
  EXPECT_EQ(check("nobody"), "5");
}

TEST_F(GrpcServerTest, WatchesAreToldWhatChanges) {
  FakeResponder known, unknown;
  const auto a = Call(Head("/grpc.health.v1.Health/Watch"), {HealthOf("tei.v1.Embed")}, known);
  const auto b = Call(Head("/grpc.health.v1.Health/Watch"), {HealthOf("nobody")}, unknown);
  const auto last = [](const FakeResponder& responder) {
    return Read<HealthCheckResponse>(responder.data.back()).status();
  };
  EXPECT_EQ(last(known), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(last(unknown), HealthCheckResponse::SERVICE_UNKNOWN);
  server_->SetServing(true);
  server_->SetServing(true);
  EXPECT_EQ(last(known), HealthCheckResponse::SERVING);
  EXPECT_EQ(known.data.size(), 2U);
  EXPECT_EQ(unknown.data.size(), 1U);
  while (!known.unsent.empty()) known.Take();
  a->Sweep(std::chrono::steady_clock::now() + std::chrono::hours(1));
  EXPECT_FALSE(known.ended);
  b->OnGone(false);
  unknown.unsent.clear();
  server_->SetServing(false);
  EXPECT_EQ(known.data.size(), 3U);
  server_->Drain();
  EXPECT_EQ(known.Trailer("grpc-status"), "14");
  EXPECT_FALSE(unknown.ended);
  a->OnGone(true);
  EXPECT_EQ(server_->num_writing(), 0U);
}

TEST_F(GrpcServerTest, NamesOfServicesAreShort) {
  constexpr size_t kMost = 1024;
  for (const char* method : {"Check", "Watch"}) {
    for (const size_t size : {kMost, kMost + 1}) {
      FakeResponder responder;
      const auto stream = Call(Head(std::string("/grpc.health.v1.Health/") + method),
                               {HealthOf(std::string(size, 'x'))}, responder);
      const bool is_refused = responder.Trailer("grpc-status") == "3";
      EXPECT_EQ(is_refused, size > kMost) << method << ' ' << size;
      stream->OnGone(true);
    }
  }
}

TEST_F(GrpcServerTest, WhoNeedsNoKeySendsShortMessages) {
  constexpr size_t kMost = size_t{4} << 10;
  for (const char* path : {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
                           "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}) {
    FakeResponder plain;
    const auto stream = server_->Begin(Head(path), "1.2.3.4", false, plain);
    stream->OnData(Framed(std::string(kMost + 1, 'x')).substr(0, 5));
    EXPECT_EQ(plain.Trailer("grpc-status"), "8") << path;
    stream->OnGone(true);
    FakeResponder compressed;
    const auto bomb =
        server_->Begin(Head(path, {{"grpc-encoding", "deflate"}}), "1.2.3.4", false, compressed);
    bomb->OnData(Framed(Deflated(Encoding::kDeflate, std::string(kMost + 1, 'x')), 1));
    loop_.Run();
    EXPECT_EQ(compressed.Trailer("grpc-status"), "8") << path;
    bomb->OnGone(true);
  }
}

TEST_F(GrpcServerTest, HeadsThatTheTransportRefusesGetAStatus) {
  const std::pair<int, const char*> kCases[] = {
      {400, "3"}, {414, "8"}, {417, "3"}, {431, "8"}, {500, "13"}};
  for (const auto& [status, code] : kCases) {
    FakeResponder responder;
    server_->Refuse(true, status, "why", responder);
    EXPECT_EQ(responder.status, 200);
    EXPECT_TRUE(responder.ended);
    EXPECT_EQ(responder.Header("grpc-status"), code);
    EXPECT_EQ(responder.Header("grpc-message"), "why");
  }
}

TEST_F(GrpcServerTest, AWatchThatHasToldItsNewsKeepsNobodyFromResting) {
  FakeResponder responder;
  const auto watch =
      Call(Head("/grpc.health.v1.Health/Watch"), {HealthOf("tei.v1.Embed")}, responder);
  EXPECT_FALSE(responder.rests) << "the client has not taken it";
  responder.Take();
  EXPECT_TRUE(responder.rests);
  watch->OnGone(false);
}

TEST_F(GrpcServerTest, NobodyWatchesAServerThatEnds) {
  const std::string watch = "/grpc.health.v1.Health/Watch";
  FakeResponder before, after, silent, reflecting;
  const auto a = Call(Head(watch), {HealthOf("")}, before);
  const auto b = server_->Begin(Head(watch), "1.2.3.4", false, silent);
  const auto c = server_->Begin(Head("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
                                "1.2.3.4", false, reflecting);
  server_->SetServing(true);
  server_->SetServing(false);
  server_->Drain();
  EXPECT_EQ(Read<HealthCheckResponse>(before.data.back()).status(),
            HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(before.Trailer("grpc-status"), "14");
  const auto d = Call(Head(watch), {HealthOf("")}, after);
  EXPECT_TRUE(after.data.empty());
  EXPECT_EQ(after.Trailer("grpc-status"), "14");
  EXPECT_FALSE(silent.ended);
  b->Sweep(std::chrono::steady_clock::now());
  c->Sweep(std::chrono::steady_clock::now());
  EXPECT_EQ(silent.Trailer("grpc-status"), "14");
  EXPECT_EQ(reflecting.Trailer("grpc-status"), "14");
  for (const auto* stream : {&a, &b, &c, &d}) (*stream)->OnGone(true);
}

TEST_F(GrpcServerTest, WhoNeedsNoKeyAndTakesNothingHoldsNoEndUp) {
  FakeResponder watching, checking;
  const auto watch = Call(Head("/grpc.health.v1.Health/Watch"), {HealthOf("")}, watching);
  const auto check = Call(Head("/grpc.health.v1.Health/Check"), {HealthOf("")}, checking);
  const auto now = std::chrono::steady_clock::now();
  watch->Sweep(now + std::chrono::seconds(20));
  EXPECT_FALSE(watching.reset);
  server_->Drain();
  for (auto* stream : {&watch, &check}) (*stream)->Sweep(now);
  EXPECT_FALSE(watching.reset);
  EXPECT_FALSE(checking.reset);
  EXPECT_EQ(server_->num_writing(), 2U);
  for (auto* stream : {&watch, &check}) (*stream)->Sweep(now + std::chrono::seconds(2));
  EXPECT_EQ(watching.reset, Http2Error::kCancel);
  EXPECT_EQ(checking.reset, Http2Error::kCancel);
  for (auto* stream : {&watch, &check}) (*stream)->OnGone(false);
  EXPECT_EQ(server_->num_writing(), 0U);
}

TEST_F(GrpcServerTest, ReflectionKnowsServicesAndFiles) {
  for (const char* version : {"v1", "v1alpha"}) {
    const auto list = Reflect([](auto& request) { request.set_list_services(""); }, version);
    std::vector<std::string> names;
    for (const auto& service : list.list_services_response().service())
      names.push_back(service.name());
    for (const char* name :
         {"tei.v1.Info", "tei.v1.Embed", "tei.v1.Predict", "tei.v1.Rerank", "tei.v1.Tokenize",
          "akidb.embedding.v1.EmbeddingService", "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"})
      EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
    EXPECT_EQ(names.size(), 9U);
  }
  for (const char* symbol :
       {"tei.v1.Embed", "tei.v1.Embed.EmbedStream", "tei.v1.EmbedRequest", "tei.v1.ModelType",
        "grpc.health.v1.HealthCheckResponse.ServingStatus", "tei.v1.EmbedRequest.inputs",
        "tei.v1.TRUNCATION_DIRECTION_LEFT", "grpc.health.v1.HealthCheckResponse.SERVING",
        "grpc.reflection.v1.ServerReflectionRequest.message_request", "tei.v1", "tei"}) {
    const auto found = Reflect([&](auto& request) { request.set_file_containing_symbol(symbol); });
    EXPECT_EQ(found.file_descriptor_response().file_descriptor_proto_size(), 1) << symbol;
  }
  const auto file =
      Reflect([](auto& request) { request.set_file_by_filename("tei/v1/tei.proto"); });
  EXPECT_EQ(file.file_descriptor_response().file_descriptor_proto_size(), 1);
  EXPECT_EQ(file.original_request().file_by_filename(), "tei/v1/tei.proto");
}

TEST_F(GrpcServerTest, ReflectionWaitsForWhoDoesNotTakeItsAnswers) {
  ServerReflectionRequest request;
  request.set_file_by_filename("tei/v1/tei.proto");
  FakeResponder responder;
  const auto stream = Call(Head("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
                           std::vector<std::string>(100, request.SerializeAsString()), responder);
  EXPECT_EQ(responder.data.size(), StreamCall::kMaxOpenInFlight);
  EXPECT_GT(app_->answer_budget().held_bytes(), 1000);
  while (!responder.unsent.empty()) {
    responder.Take();
    loop_.Run();
  }
  EXPECT_EQ(responder.data.size(), 100U);
  EXPECT_EQ(responder.Trailer("grpc-status"), "0");
  stream->OnGone(true);
}

TEST(Reflection, KnowsExtensions) {
  descriptors::File file;
  file.set_name("a.proto");
  file.set_package("a.b");
  auto& base = *file.add_message_type();
  base.set_name("Base");
  auto& top = *file.add_extension();
  top.set_name("top"), top.set_extendee(".a.b.Base"), top.set_number(100);
  auto& nested = *base.add_extension();
  nested.set_name("nested"), nested.set_extendee(".a.b.Base"), nested.set_number(7);
  descriptors::FileSet set;
  set.add_file(file.SerializeAsString());
  const Reflection reflection(set.SerializeAsString());
  ServerReflectionRequest request;
  request.set_all_extension_numbers_of_type("a.b.Base");
  const auto numbers = reflection.Answer(request).all_extension_numbers_response();
  EXPECT_EQ(std::vector<int>(numbers.extension_number().begin(), numbers.extension_number().end()),
            (std::vector<int>{7, 100}));
  request.set_all_extension_numbers_of_type("a.b");  // No type.
  EXPECT_EQ(reflection.Answer(request).error_response().error_code(), 5);
  for (const int number : {7, 100, 101}) {
    request.mutable_file_containing_extension()->set_containing_type("a.b.Base");
    request.mutable_file_containing_extension()->set_extension_number(number);
    const auto answer = reflection.Answer(request);
    EXPECT_EQ(answer.file_descriptor_response().file_descriptor_proto_size(),
              number == 101 ? 0 : 1);
    EXPECT_EQ(answer.error_response().error_code(), number == 101 ? 5 : 0);
  }
  for (const char* symbol : {"a", "a.b", "a.b.Base", "a.b.top", "a.b.Base.nested"}) {
    request.set_file_containing_symbol(symbol);
    EXPECT_TRUE(reflection.Answer(request).has_file_descriptor_response()) << symbol;
  }
}

TEST_F(GrpcServerTest, ReflectionSaysWhatThereIsNot) {
  const auto code = [&](const std::function<void(ServerReflectionRequest&)>& set) {
    return Reflect(set).error_response().error_code();
  };
  EXPECT_EQ(code([](auto& request) { request.set_file_by_filename("x"); }), 5);
  EXPECT_EQ(code([](auto& request) { request.set_file_containing_symbol("x"); }), 5);
  EXPECT_EQ(code([](auto& request) { request.set_all_extension_numbers_of_type("x"); }), 5);
  EXPECT_EQ(code([](auto& request) {
              request.mutable_file_containing_extension()->set_containing_type("x");
            }),
            5);
  EXPECT_EQ(code([](auto&) {}), 3);
  const auto none =
      Reflect([](auto& request) { request.set_all_extension_numbers_of_type("tei.v1.Rank"); });
  EXPECT_EQ(none.all_extension_numbers_response().base_type_name(), "tei.v1.Rank");
}

}  // namespace
}  // namespace akin::server

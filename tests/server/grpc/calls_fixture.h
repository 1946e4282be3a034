// Calls without a transport, on an event loop that runs when it is told to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fake_stream.h"
#include "grpc/health/v1/health.pb.h"
#include "server/grpc/calls.h"
#include "server/grpc/operation.h"

namespace akin::server {

// What calls need around them; at the end nothing of it is held.
class CallTest : public testing::Test {
 protected:
  CallTest() {
    environment_.post = loop_.Post();
    environment_.settle = loop_.Settle();
  }
  ~CallTest() override {
    EXPECT_EQ(environment_.num_writing, 0U);
    EXPECT_EQ(environment_.messages.held_bytes(), 0U);
    EXPECT_EQ(environment_.early_messages.held_bytes(), 0U);
    EXPECT_EQ(budget_.held_bytes(), 0);
  }

  CallInfo InfoOf(const std::string& client, const std::string& id) {
    CallInfo info;
    info.client = client;
    info.deadline = Call::Clock::now() + std::chrono::seconds(60);
    info.departure = std::make_shared<Departure>();
    info.record = std::make_shared<CallRecord>(log_, metrics_, RpcName{"a.Service", "Method"},
                                               RequestIdentity{.id = id, .peer = client});
    info.budget = &budget_;
    info.metrics = &metrics_;
    info.share = std::make_shared<AnswerBudget::Share>(budget_, client);
    return info;
  }
  // As its method's kind has it. `method` and `responder` outlive it.
  std::shared_ptr<Call> MakeCall(const Method& method, CallInfo info, Encoding encoding,
                                 FakeResponder& responder) {
    if (method.kind == MethodKind::kStream) {
      return std::make_shared<StreamCall>(environment_, method, std::move(info), encoding,
                                          responder, std::chrono::seconds(60));
    }
    return std::make_shared<AnsweredCall>(environment_, method, std::move(info), encoding,
                                          responder);
  }

  Logger logger_{LogLevel::kError, false};
  RequestLog log_{logger_};
  Metrics metrics_;
  AnswerBudget budget_{int64_t{64} << 20};
  FakeLoop loop_;
  CallEnvironment environment_;
};

// Asks are kept until the test answers them.
class Calls : public CallTest {
 protected:
  struct Ask {
    CallInfo info;
    std::vector<std::string> messages;
    ReplyPtr reply;
  };

  Calls() {
    method_.operation = [this](const CallInfo& info, std::span<const std::string> messages,
                               ReplyPtr reply) {
      asks_.push_back({info, {messages.begin(), messages.end()}, std::move(reply)});
    };
  }
  ~Calls() override {
    Leave();
    call_.reset();
    asks_.clear();
    loop_.Run();
    EXPECT_EQ(loop_.arrived, 0);
  }

  CallInfo Info() {
    CallInfo info = InfoOf("a", "the-id");
    info.departure->OnLeave([this] { ++departures_; });
    return info;
  }
  void Begin(MethodKind kind, Encoding encoding = Encoding::kIdentity) {
    method_.kind = kind;
    call_ = MakeCall(method_, Info(), encoding, responder_);
  }
  void Say(std::string_view message) { call_->OnData(Framed(message)); }
  void Finish() {
    call_->OnEnd();
    loop_.Run();
  }
  void Leave() {
    if (call_ == nullptr || has_left_) return;
    has_left_ = true;
    responder_.unsent.clear();
    call_->OnGone();
  }
  // With a message whose only field is `text`.
  static void Answer(const Ask& ask, const std::string& text) {
    grpc::health::v1::HealthCheckRequest message;
    message.set_service(text);
    ask.reply->Answer(message);
  }
  static std::string Answered(const std::string& text) {
    grpc::health::v1::HealthCheckRequest message;
    message.set_service(text);
    return FramedMessage(message);
  }
  // As the metrics name it.
  int64_t Counted(const std::string& status) {
    const std::string text = metrics_.Render({});
    const std::string name =
        "akin_grpc_calls_total{method=\"a.Service/Method\",status=\"" + status + "\"} ";
    const size_t at = text.find(name);
    return at == std::string::npos ? 0 : std::stoll(text.substr(at + name.size()));
  }
  void ExpectStatus(GrpcCode code) {
    EXPECT_TRUE(responder_.ended);
    EXPECT_EQ(responder_.Trailer("grpc-status"), std::to_string(static_cast<int>(code)));
    EXPECT_EQ(Counted(std::string(NameOf(code))), 1);
    EXPECT_EQ(departures_, 1);
  }

  Method method_{.name = {"a.Service", "Method"}, .most_messages = 3};
  std::vector<Ask> asks_;
  FakeResponder responder_;
  std::shared_ptr<Call> call_;
  int departures_ = 0;
  bool has_left_ = false;
};

// What several clients do at once: calls with one message each.
class ManyCalls : public Calls {
 protected:
  ~ManyCalls() override { EndAll(); }

  // The number of a new call, of which nothing has come.
  size_t BeginCall(const std::string& client, Encoding encoding = Encoding::kIdentity,
                   MessageBudget::Floor* floor = nullptr) {
    CallInfo info = Info();
    info.client = client;
    responders_.push_back(std::make_unique<FakeResponder>());
    responders_.back()->connection_floor = floor;
    calls_.push_back(std::make_shared<AnsweredCall>(environment_, method_, std::move(info),
                                                    encoding, *responders_.back()));
    return calls_.size() - 1;
  }
  void SweepAll(Call::Clock::time_point now) {
    for (const auto& call : calls_) call->Sweep(now);
    loop_.Run();
  }
  void EndAll() {
    for (const auto& call : calls_) call->OnGone();
    calls_.clear();
    responders_.clear();
  }
  size_t AsksOf(const std::string& client) const {
    return std::ranges::count_if(asks_, [&](const Ask& ask) { return ask.info.client == client; });
  }
  size_t NumEnded() const {
    return std::ranges::count_if(responders_, [](const auto& each) { return each->ended; });
  }
  std::string StatusOf(size_t i) const { return responders_[i]->Trailer("grpc-status"); }
  std::string WordsOf(size_t i) const { return responders_[i]->Trailer("grpc-message"); }

  std::vector<std::unique_ptr<FakeResponder>> responders_;
  std::vector<std::shared_ptr<Call>> calls_;
};

}  // namespace akin::server

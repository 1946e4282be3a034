#include "server/grpc/calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "calls_fixture.h"
#include "deflated.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(Calls, UnaryAnswersItsMessage) {
  Begin(MethodKind::kUnary);
  Say("question");
  EXPECT_TRUE(asks_.empty());
  Finish();
  ASSERT_EQ(asks_.size(), 1U);
  EXPECT_EQ(asks_[0].messages, std::vector<std::string>{"question"});
  EXPECT_TRUE(asks_[0].info.may_compute_here);
  EXPECT_EQ(responder_.status, 0);
  std::thread([&] { Answer(asks_[0], "answer"); }).join();
  EXPECT_TRUE(responder_.data.empty());
  EXPECT_GT(budget_.held_bytes(), 0);
  loop_.Run();
  EXPECT_EQ(responder_.status, 200);
  EXPECT_EQ(responder_.Header("content-type"), "application/grpc");
  EXPECT_EQ(responder_.Header("x-request-id"), "the-id");
  EXPECT_EQ(responder_.data, std::vector<std::string>{Answered("answer")});
  EXPECT_EQ(responder_.consumed, Framed("question").size());
  ExpectStatus(GrpcCode::kOk);
  EXPECT_EQ(environment_.num_writing, 1U);
}

// Many that never send it are no more than what may be idle, and leave room for others.
TEST_F(Calls, WhoOwesAMessageOrItsEndRests) {
  for (const MethodKind kind : {MethodKind::kUnary, MethodKind::kGather, MethodKind::kStream}) {
    responder_.rests = false;
    Begin(kind);
    EXPECT_TRUE(responder_.rests);
    call_->OnData(Framed("question").substr(0, 6));
    EXPECT_TRUE(responder_.rests);
    call_->OnData(Framed("question").substr(6));
    EXPECT_EQ(responder_.rests, kind != MethodKind::kStream);
    call_->OnEnd();
    EXPECT_FALSE(responder_.rests);
    call_->OnGone();
    loop_.Run();
  }
}

TEST_F(Calls, TheFirstAnswerCounts) {
  Begin(MethodKind::kUnary);
  Say("question");
  Finish();
  asks_[0].reply->Fail({GrpcCode::kNotFound, "no"});
  Answer(asks_[0], "answer");
  loop_.Run();
  EXPECT_TRUE(responder_.data.empty());
  EXPECT_EQ(responder_.Trailer("grpc-message"), "no");
  ExpectStatus(GrpcCode::kNotFound);
}

TEST_F(Calls, ARefusalSaysWhichBoundItHasMetAndWhenToAskAgain) {
  Logger logger(LogLevel::kInfo, true);
  const RequestLog log(logger);
  environment_.retry_after_seconds = [](const std::string&) { return 7; };
  CallInfo info = Info();
  info.record = std::make_shared<CallRecord>(log, metrics_, RpcName{"a.Service", "Method"},
                                             RequestIdentity{.id = "the-id", .peer = "a"});
  call_ = std::make_shared<AnsweredCall>(environment_, method_, std::move(info),
                                         Encoding::kIdentity, responder_);
  Say("question");
  Finish();
  testing::internal::CaptureStderr();
  asks_[0].reply->Fail(ToGrpcStatus(Error(ErrorCode::kOverloaded, "full").Of("max_tokens")));
  loop_.Run();
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find("\"full\":\"tokens\",\"option\":\"--max-queue-tokens\""), std::string::npos)
      << line;
  EXPECT_EQ(responder_.Trailer("grpc-retry-pushback-ms"), "7000");
  ExpectStatus(GrpcCode::kResourceExhausted);
}

TEST_F(Calls, AnAnswerForWhichThereIsNoRoomSaysSo) {
  AnswerBudget::Share other(budget_, "b");
  other.Settle(int64_t{40} << 20);
  environment_.retry_after_seconds = [](const std::string&) { return 2; };
  Begin(MethodKind::kUnary);
  Say("question");
  Finish();
  AnswerBudget::Share beside(budget_, "c");
  beside.Settle(int64_t{40} << 20);
  const Status room = asks_[0].info.share->Reserve(int64_t{40} << 20);
  ASSERT_FALSE(room);
  asks_[0].reply->Fail(ToGrpcStatus(room.error()));
  loop_.Run();
  EXPECT_EQ(responder_.Trailer("grpc-retry-pushback-ms"), "2000");
  ExpectStatus(GrpcCode::kResourceExhausted);
}

TEST_F(Calls, ARequestThatIsDroppedIsAnswered) {
  Begin(MethodKind::kUnary);
  Say("question");
  Finish();
  asks_.clear();
  loop_.Run();
  ExpectStatus(GrpcCode::kInternal);
}

TEST_F(Calls, AnOperationThatThrowsEndsItsCallOnly) {
  Begin(MethodKind::kUnary);
  method_.operation = [](const CallInfo&, std::span<const std::string>, const ReplyPtr&) {
    throw std::bad_alloc();
  };
  Say("question");
  Finish();
  ExpectStatus(GrpcCode::kInternal);
}

TEST_F(Calls, UnaryTakesOneMessage) {
  Begin(MethodKind::kUnary);
  Finish();
  ExpectStatus(GrpcCode::kUnimplemented);
}

TEST_F(Calls, UnaryTakesNoSecondMessage) {
  Begin(MethodKind::kUnary);
  Say("one");
  Say("two");
  ExpectStatus(GrpcCode::kUnimplemented);
  call_->OnData("more");  // Thrown away.
  Finish();
  EXPECT_TRUE(asks_.empty());
}

TEST_F(Calls, AMessageThatIsCutShortIsSaid) {
  Begin(MethodKind::kUnary);
  call_->OnData(Framed("question").substr(0, 7));
  Finish();
  ExpectStatus(GrpcCode::kInvalidArgument);
}

TEST_F(Calls, WhoLeavesBeforeTheMessageIsWholeIsCounted) {
  Begin(MethodKind::kUnary);
  call_->OnData(Framed(std::string(100'000, 'x')).substr(0, 50'000));
  EXPECT_GT(environment_.messages.held_bytes(), 0U);
  Leave();
  EXPECT_EQ(environment_.messages.held_bytes(), 0U);
  EXPECT_EQ(Counted("CANCELLED"), 1);
  EXPECT_EQ(departures_, 1);
}

TEST_F(Calls, OfThoseWhoLeaveBeforeAMessageOneLineASecondIsWritten) {
  Logger logger(LogLevel::kInfo, true);
  const RequestLog log(logger);
  testing::internal::CaptureStderr();
  for (int i = 0; i < 50; ++i) {
    CallInfo info = Info();
    info.record = std::make_shared<CallRecord>(log, metrics_, RpcName{"a.Service", "Method"},
                                               RequestIdentity{.id = "the-id", .peer = "a"});
    std::make_shared<AnsweredCall>(environment_, method_, std::move(info), Encoding::kIdentity,
                                   responder_)
        ->OnGone();
  }
  const std::string lines = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(lines, '\n'), 1) << lines;
  EXPECT_NE(lines.find("CANCELLED"), std::string::npos);
  EXPECT_EQ(Counted("CANCELLED"), 50);
}

TEST(LineLimit, OneASecondSaysWhatWasLeftOut) {
  const LineLimit::TimePoint start = std::chrono::steady_clock::now();
  LineLimit limit;
  EXPECT_EQ(limit.Next(start), 0);
  EXPECT_EQ(limit.Next(start), std::nullopt);
  EXPECT_EQ(limit.Next(start + milliseconds(999)), std::nullopt);
  EXPECT_EQ(limit.Next(start + milliseconds(1000)), 2);
  EXPECT_EQ(limit.Next(start + milliseconds(1500)), std::nullopt);
  EXPECT_EQ(limit.Next(start + milliseconds(2500)), 1);
}

TEST_F(Calls, WhoLeavesBeforeTheRequestIsBegunCostsNothing) {
  Begin(MethodKind::kUnary);
  Say("question");
  call_->OnEnd();
  Leave();
  loop_.Run();
  EXPECT_TRUE(asks_.empty());
  EXPECT_EQ(Counted("CANCELLED"), 1);
}

TEST_F(Calls, WhoLeavesIsNotAnswered) {
  Begin(MethodKind::kUnary);
  Say("question");
  Finish();
  Leave();
  EXPECT_EQ(departures_, 1);
  EXPECT_EQ(Counted("CANCELLED"), 1);
  Answer(asks_[0], "answer");
  loop_.Run();
  EXPECT_EQ(responder_.status, 0);
  EXPECT_EQ(Counted("OK"), 0);
}

TEST_F(Calls, TwoThatArriveTogetherAreNotComputedHere) {
  Begin(MethodKind::kUnary);
  FakeResponder other_responder;
  const auto other = std::make_shared<AnsweredCall>(environment_, method_, Info(),
                                                    Encoding::kIdentity, other_responder);
  Say("one");
  other->OnData(Framed("two"));
  call_->OnEnd();
  other->OnEnd();
  loop_.Run();
  ASSERT_EQ(asks_.size(), 2U);
  EXPECT_FALSE(asks_[0].info.may_compute_here);
  other->OnGone();
}

// Whatever has come of it.
TEST_F(Calls, AMessageMayRestForAWhile) {
  Begin(MethodKind::kUnary);
  const auto begin = Call::Clock::now();
  call_->OnData(Framed(std::string(100'000, 'x')).substr(0, 60'000));
  call_->Sweep(begin + milliseconds(9'900));
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(Call::Clock::now() + seconds(10));
  EXPECT_EQ(responder_.Trailer("grpc-message"), "a message takes too long to come");
  ExpectStatus(GrpcCode::kDeadlineExceeded);
}

// It is slow while we hold it up, and then has all of its time again.
TEST_F(Calls, AMessageIsNotSlowWhileItsStreamIsNotRead) {
  Begin(MethodKind::kStream);
  environment_.write_timeout = seconds(1000);
  const std::string large(6 << 20, 'x'), message = Framed(std::string(3000, 'x'));
  for (int i = 0; i < 3; ++i) Say("x");
  loop_.Run();
  call_->OnData(message.substr(0, 1000));
  for (const Ask& ask : asks_) Answer(ask, large);
  loop_.Run();
  const auto begin = Call::Clock::now();
  for (int i = 1; i < 150; ++i) call_->Sweep(begin + milliseconds(200 * i));
  EXPECT_FALSE(responder_.ended) << "18 MiB of answers are untaken";
  responder_.Take();
  call_->Sweep(Call::Clock::now() + milliseconds(9'900));
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(Call::Clock::now() + seconds(10));
  ExpectStatus(GrpcCode::kDeadlineExceeded);
}

// Clients cannot write warnings.
TEST_F(Calls, WhatAClientLeavesOutIsNoFault) {
  Logger logger(LogLevel::kInfo, true);
  const RequestLog log(logger);
  const auto begin = [&] {
    responder_ = FakeResponder();
    CallInfo info = Info();
    info.record = std::make_shared<CallRecord>(log, metrics_, RpcName{"a.Service", "Method"},
                                               RequestIdentity{.id = "the-id", .peer = "a"});
    return std::make_shared<AnsweredCall>(environment_, method_, std::move(info),
                                          Encoding::kIdentity, responder_);
  };
  using Act = std::function<void(Call&)>;
  for (const Act& act :
       {Act([](Call& call) { call.OnEnd(); }),
        Act([](Call& call) { call.OnData(Framed("one") + Framed("two")); }), Act([](Call& call) {
          call.OnData(Framed("one").substr(0, 6));
          call.Sweep(Call::Clock::now() + seconds(11));
        }),
        Act([](Call& call) { call.Sweep(Call::Clock::now() + seconds(61)); })}) {
    testing::internal::CaptureStderr();
    const auto call = begin();
    act(*call);
    loop_.Run();
    const std::string line = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(responder_.ended);
    EXPECT_NE(line.find("\"level\":\"info\""), std::string::npos) << line;
    EXPECT_EQ(line.find("\"error\""), std::string::npos) << line;
    call->OnGone();
  }
}

TEST_F(Calls, ADeadlineEndsACallThatIsStillRead) {
  Begin(MethodKind::kUnary);
  call_->Sweep(Call::Clock::now() + seconds(59));
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(Call::Clock::now() + seconds(61));
  ExpectStatus(GrpcCode::kDeadlineExceeded);
}

TEST_F(Calls, AWholeMessageCountsUntilTheCallBegins) {
  Begin(MethodKind::kUnary);
  Say(std::string(1 << 20, 'x'));
  EXPECT_GE(environment_.messages.held_bytes(), size_t{1} << 20);
  Finish();
  EXPECT_EQ(environment_.messages.held_bytes(), 0U);
}

// Text that zlib makes a third of.
std::string Words(size_t size) {
  std::string text;
  for (int64_t i = 0; text.size() < size; ++i) text += std::to_string(i * 7919) + ' ';
  text.resize(size);
  return text;
}

TEST_F(Calls, WhatIsInflatedLetsOthersHaveTheirTurn) {
  constexpr size_t kBytes = size_t{2} << 20;
  const std::string text = Words(kBytes);
  Begin(MethodKind::kStream, Encoding::kGzip);
  int turns = 0;
  const std::function<void()> other = [&] {
    if (++turns < 10'000 && asks_.empty()) loop_.Post()(other);
  };
  loop_.Post()(other);
  call_->OnData(Framed(Deflated(Encoding::kGzip, text), 1) + Framed("plain"));
  call_->OnEnd();
  EXPECT_TRUE(asks_.empty());
  loop_.Run();
  EXPECT_GE(turns, static_cast<int>(kBytes / MessageReader::kStepBytes) - 1);
  ASSERT_EQ(asks_.size(), 2U);
  EXPECT_EQ(asks_[0].messages[0], text);
  EXPECT_EQ(asks_[1].messages[0], "plain");
  for (const Ask& ask : asks_) Answer(ask, "x");
  loop_.Run();
  ExpectStatus(GrpcCode::kOk);
}

TEST_F(Calls, OneAfterTheOtherIsInflated) {
  const std::string message = Framed(Deflated(Encoding::kGzip, Words(1 << 20)), 1);
  std::vector<std::unique_ptr<FakeResponder>> responders;
  std::vector<std::shared_ptr<Call>> calls;
  for (int i = 0; i < 5; ++i) {
    responders.push_back(std::make_unique<FakeResponder>());
    calls.push_back(std::make_shared<AnsweredCall>(environment_, method_, Info(), Encoding::kGzip,
                                                   *responders.back()));
    calls.back()->OnData(message);
    calls.back()->OnEnd();
  }
  calls[1]->OnGone();  // While it waits.
  loop_.Run();
  EXPECT_EQ(asks_.size(), 4U);
  for (const size_t i : {0, 2, 3, 4}) calls[i]->OnGone();
}

TEST_F(Calls, OfManyInOneReadOneIsInflatedATurn) {
  Begin(MethodKind::kStream, Encoding::kGzip);
  const std::string message = Framed(Deflated(Encoding::kGzip, std::string(60'000, 'a')), 1);
  std::string bytes;
  for (int i = 0; i < 50; ++i) bytes += message;
  size_t turns = 0;
  const std::function<void()> other = [&] {
    EXPECT_LE(asks_.size(), turns);
    if (++turns < 50) loop_.Post()(other);
  };
  call_->OnData(bytes);
  loop_.Post()(other);
  EXPECT_TRUE(asks_.empty());
  loop_.Run();
  EXPECT_EQ(asks_.size(), 50U);
}

// Each call has a message that is inflated.
class Inflated : public ManyCalls {
 protected:
  void Send(const std::string& client, const std::string& message) {
    const size_t i = BeginCall(client, Encoding::kGzip);
    calls_[i]->OnData(message);
    calls_[i]->OnEnd();
  }

  const std::string bomb_ = Framed(Deflated(Encoding::kGzip, std::string(1 << 20, 'a')), 1);
  static size_t SizeOfAsk(const Ask& ask) { return ask.messages[0].size(); }

  const std::string text_ = Framed(Deflated(Encoding::kGzip, Words(1200)), 1);
};

TEST_F(Inflated, WhoSendsBombsWaitsAndNobodyElse) {
  environment_.inflated = InflateBudget(size_t{4} << 20);
  for (int i = 0; i < 20; ++i) Send("a", bomb_);
  for (int i = 0; i < 50; ++i) Send("b", text_);
  loop_.Run();
  EXPECT_EQ(AsksOf("b"), 50U);
  EXPECT_GE(AsksOf("a"), 2U);
  EXPECT_LT(AsksOf("a"), 20U);
  for (const auto& responder : responders_) EXPECT_FALSE(responder->ended);
  // Later it is the next one's turn.
  const auto end = Call::Clock::now() + seconds(20);
  const size_t before = AsksOf("a");
  while (AsksOf("a") == before && Call::Clock::now() < end) {
    std::this_thread::sleep_for(milliseconds(100));
    for (const auto& call : calls_) call->Sweep(Call::Clock::now());
    loop_.Run();
  }
  EXPECT_GT(AsksOf("a"), before);
}

TEST_F(Inflated, OfOneClientWhatIsTextGoesBeforeBombs) {
  environment_.inflated = InflateBudget(size_t{1} << 20);
  for (int i = 0; i < 20; ++i) Send("a", bomb_);
  const std::string text = Framed(Deflated(Encoding::kGzip, Words(200'000)), 1);
  for (int i = 0; i < 20; ++i) Send("a", text);
  loop_.Run();
  EXPECT_EQ(std::ranges::count(asks_, size_t{200'000}, SizeOfAsk), 20);
  EXPECT_EQ(std::ranges::count(asks_, size_t{1} << 20, SizeOfAsk), 1);
  for (const Ask& ask : asks_)
    EXPECT_TRUE(SizeOfAsk(ask) == 1 << 20 || ask.messages[0] == Words(200'000));
  // Another second, another one: whole, though it was begun before.
  std::this_thread::sleep_for(milliseconds(1100));
  SweepAll(Call::Clock::now());
  ASSERT_EQ(std::ranges::count(asks_, size_t{1} << 20, SizeOfAsk), 2);
  EXPECT_EQ(asks_.back().messages[0], std::string(1 << 20, 'a'));
}

TEST_F(Inflated, TextsDoNotWaitBehindBombsOfOthers) {
  for (int client = 0; client < 30; ++client) Send("a" + std::to_string(client), bomb_);
  Send("z", text_);
  int turns = 0;  // Of the event loop, one of which is a bomb's sixteenth, mostly.
  const std::function<void()> other = [&] {
    if (++turns == 100) Send("z", text_);
    if (turns == 110) {
      EXPECT_EQ(AsksOf("z"), 2U) << "while a bomb is under way";
      EXPECT_GT(asks_.size(), 3U);
      EXPECT_LT(asks_.size(), 10U);
    }
    if (turns < 110) loop_.Post()(other);
  };
  loop_.Post()(other);
  loop_.Run();
  ASSERT_EQ(asks_.size(), 32U);
  EXPECT_EQ(asks_[0].info.client, "z");
  for (const Ask& ask : asks_) {
    const std::string& text = ask.messages[0];
    EXPECT_TRUE(ask.info.client == "z" ? text == Words(1200) : text == std::string(1 << 20, 'a'));
  }
}

TEST_F(Inflated, WhatWaitsForTooLongIsSaid) {
  environment_.inflated = InflateBudget(1000);
  for (int i = 0; i < 3; ++i) Send("a", bomb_);
  loop_.Run();
  EXPECT_EQ(AsksOf("a"), 1U);
  for (const auto& call : calls_) call->Sweep(Call::Clock::now() + seconds(9));
  EXPECT_FALSE(responders_[1]->ended);
  for (const auto& call : calls_) call->Sweep(Call::Clock::now() + seconds(11));
  EXPECT_FALSE(responders_[0]->ended);
  EXPECT_EQ(responders_[2]->Trailer("grpc-status"), "8");
  EXPECT_NE(responders_[2]->Trailer("grpc-message").find("inflated"), std::string::npos);
  EXPECT_TRUE(environment_.inflating.is_empty());
}

TEST_F(Inflated, ClientsTakeTurns) {
  for (int i = 0; i < 10; ++i) Send("a", bomb_);
  Send("b", text_);
  loop_.Run();
  ASSERT_EQ(asks_.size(), 11U);
  EXPECT_TRUE(asks_[0].info.client == "b" || asks_[1].info.client == "b");
  // Of those that have come together none but the last is computed at once.
  EXPECT_FALSE(asks_[0].info.may_compute_here);
}

TEST_F(Inflated, ABombIsRefused) {
  Send("a", Framed(Deflated(Encoding::kGzip, std::string(4 << 20, 'a')), 1));
  loop_.Run();
  EXPECT_EQ(responders_[0]->Trailer("grpc-status"), "8");  // 1,000 times as long.
}

TEST_F(Calls, ADeadlineEndsWhatIsComputedForTooLong) {
  Begin(MethodKind::kUnary);
  Say("question");
  Finish();
  call_->Sweep(Call::Clock::now() + milliseconds(60'200));
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(Call::Clock::now() + seconds(61));
  ExpectStatus(GrpcCode::kDeadlineExceeded);
}

TEST_F(Calls, WhatWaitsIsReadPieceByPiece) {
  Begin(MethodKind::kStream);
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes += Framed(std::to_string(i));
  call_->OnData(bytes);
  Finish();
  for (size_t i = 0; i < asks_.size(); ++i) {
    EXPECT_EQ(asks_[i].messages[0], std::to_string(i));
    Answer(asks_[i], "x");
    loop_.Run();
    while (!responder_.unsent.empty()) responder_.Take();
    loop_.Run();
  }
  EXPECT_EQ(asks_.size(), 5000U);
  EXPECT_EQ(responder_.consumed, bytes.size());
  ExpectStatus(GrpcCode::kOk);
}

TEST_F(Calls, AnAnswerThatIsNotTakenIsReset) {
  Begin(MethodKind::kUnary);
  Say("question");
  Finish();
  Answer(asks_[0], "answer");
  loop_.Run();
  call_->Sweep(Call::Clock::now() + seconds(29));
  EXPECT_FALSE(responder_.reset);
  call_->Sweep(Call::Clock::now() + seconds(31));
  EXPECT_EQ(responder_.reset, Http2Error::kCancel);
}

TEST_F(Calls, GatherAnswersAllAtOnce) {
  Begin(MethodKind::kGather);
  const std::string one(3000, '1'), two(3000, '2');
  Say(one);
  Say(two);
  loop_.Run();
  EXPECT_TRUE(asks_.empty());
  EXPECT_GE(environment_.early_messages.held_bytes(), 6000U);
  Finish();
  ASSERT_EQ(asks_.size(), 1U);
  EXPECT_EQ(asks_[0].messages, (std::vector<std::string>{one, two}));
  EXPECT_EQ(environment_.messages.held_bytes(), 0U);
  Answer(asks_[0], "answer");
  loop_.Run();
  ExpectStatus(GrpcCode::kOk);
}

TEST_F(Calls, GatherTakesSoManyMessages) {
  Begin(MethodKind::kGather);
  for (const char* message : {"one", "two", "three", "four"}) Say(message);
  ExpectStatus(GrpcCode::kInvalidArgument);
  EXPECT_EQ(responder_.Trailer("grpc-message"), "a stream has at most 3 messages");
}

TEST_F(Calls, GatherTakesSoManyBytes) {
  Begin(MethodKind::kGather);
  Say(std::string(3 << 20, 'x'));
  Say(std::string(3 << 20, 'x'));
  ExpectStatus(GrpcCode::kResourceExhausted);
}

TEST_F(Calls, AStreamAnswersInOrder) {
  Begin(MethodKind::kStream);
  for (const char* message : {"one", "two", "three"}) Say(message);
  loop_.Run();
  ASSERT_EQ(asks_.size(), 3U);
  Answer(asks_[2], "3");
  Answer(asks_[1], "2");
  loop_.Run();
  EXPECT_TRUE(responder_.data.empty());
  Answer(asks_[0], "1");
  loop_.Run();
  EXPECT_EQ(responder_.data,
            (std::vector<std::string>{Answered("1"), Answered("2"), Answered("3")}));
  EXPECT_FALSE(responder_.ended);
  Finish();
  ExpectStatus(GrpcCode::kOk);
}

TEST_F(Calls, AStreamEndsWithItsFirstError) {
  Begin(MethodKind::kStream);
  for (const char* message : {"one", "two", "three"}) Say(message);
  loop_.Run();
  asks_[1].reply->Fail({GrpcCode::kInvalidArgument, "no"});
  loop_.Run();
  EXPECT_FALSE(responder_.ended);
  Answer(asks_[0], "1");
  loop_.Run();
  EXPECT_EQ(responder_.data, std::vector<std::string>{Answered("1")});
  ExpectStatus(GrpcCode::kInvalidArgument);
}

TEST_F(Calls, AStreamIsReadNoFurtherThanItIsAnswered) {
  Begin(MethodKind::kStream);
  const std::string message = Framed("x");
  for (size_t i = 0; i < StreamCall::kMaxInFlight + 10; ++i) call_->OnData(message);
  Finish();
  EXPECT_EQ(asks_.size(), StreamCall::kMaxInFlight);
  EXPECT_EQ(responder_.consumed, StreamCall::kMaxInFlight * message.size());
  Answer(asks_[0], "0");
  loop_.Run();
  EXPECT_EQ(asks_.size(), StreamCall::kMaxInFlight);  // It is not yet taken.
  responder_.Take();
  loop_.Run();
  EXPECT_EQ(asks_.size(), StreamCall::kMaxInFlight + 1);
  for (size_t i = 1; i < asks_.size(); ++i) {
    Answer(asks_[i], "x");
    loop_.Run();
    while (!responder_.unsent.empty()) responder_.Take();
    loop_.Run();
  }
  EXPECT_EQ(asks_.size(), StreamCall::kMaxInFlight + 10);
  EXPECT_EQ(responder_.data.size(), asks_.size());
  EXPECT_EQ(responder_.consumed, asks_.size() * message.size());
  ExpectStatus(GrpcCode::kOk);
}

TEST_F(Calls, AStreamHoldsSoManyBytesOfAnswers) {
  Begin(MethodKind::kStream);
  const std::string large(6 << 20, 'x');
  for (int i = 0; i < 3; ++i) Say("x");
  loop_.Run();
  for (const Ask& ask : asks_) Answer(ask, large);
  loop_.Run();
  Say("x");
  loop_.Run();
  EXPECT_EQ(asks_.size(), 3U);
  responder_.Take();
  loop_.Run();
  EXPECT_EQ(asks_.size(), 4U);
}

TEST_F(Calls, AStreamMayRestBetweenMessagesForAWhile) {
  Begin(MethodKind::kStream);
  Say("one");
  loop_.Run();
  call_->Sweep(Call::Clock::now() + seconds(50));
  EXPECT_FALSE(responder_.ended);
  Answer(asks_[0], "1");
  loop_.Run();
  responder_.Take();
  call_->Sweep(Call::Clock::now() + seconds(50));
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(Call::Clock::now() + seconds(61));
  ExpectStatus(GrpcCode::kDeadlineExceeded);
}

TEST_F(Calls, AStreamBetweenTwoMessagesKeepsNobodyFromResting) {
  Begin(MethodKind::kStream);
  Say("one");
  loop_.Run();
  EXPECT_FALSE(responder_.rests);
  Answer(asks_[0], "1");
  loop_.Run();
  EXPECT_FALSE(responder_.rests) << "the client has not taken it";
  responder_.Take();
  EXPECT_TRUE(responder_.rests);
  Say("two");
  EXPECT_FALSE(responder_.rests);
}

}  // namespace
}  // namespace akin::server

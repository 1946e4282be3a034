#include "server/grpc/calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "calls_fixture.h"

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
  environment_.retry_after_seconds = [](const std::string&, std::optional<Priority> priority) {
    return priority == Priority::kBulk ? 7 : 1000;
  };
  CallInfo info = Info();
  info.record = std::make_shared<CallRecord>(log, metrics_, RpcName{"a.Service", "Method"},
                                             RequestIdentity{.id = "the-id", .peer = "a"});
  call_ = std::make_shared<AnsweredCall>(environment_, method_, std::move(info),
                                         Encoding::kIdentity, responder_);
  Say("question");
  Finish();
  testing::internal::CaptureStderr();
  asks_[0].info.record->set_priority(Priority::kBulk);  // As whoever queues it.
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
  environment_.retry_after_seconds = [](const std::string&, std::optional<Priority>) { return 2; };
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

// What comes of others of its connection pays for it: while that is full of their bytes it has
// none.
TEST_F(Calls, AMessageIsNotSlowWhileOthersOfItsConnectionCome) {
  Begin(MethodKind::kUnary);
  const auto begin = Call::Clock::now();
  call_->OnData(Framed(std::string(100'000, 'x')).substr(0, 100));
  Call::Clock::time_point now = begin;
  for (int i = 0; i < 45; ++i) {
    now += seconds(1);
    responder_.connection_link.Arrived(size_t{2} << 10);
    call_->Sweep(now);
  }
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(now + milliseconds(9'900));
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(now + milliseconds(10'100));
  EXPECT_EQ(responder_.Trailer("grpc-message"), "a message takes too long to come");
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

TEST_F(Calls, ADeadlineEndsWhatIsComputedForTooLong) {
  Begin(MethodKind::kUnary);
  Say("question");
  Finish();
  call_->Sweep(Call::Clock::now() + milliseconds(60'200));
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(Call::Clock::now() + seconds(61));
  ExpectStatus(GrpcCode::kDeadlineExceeded);
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

}  // namespace
}  // namespace akin::server

// Calls of several messages: answered as one, or one by one in their order.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "calls_fixture.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
  for (int i = 1; i <= 150; ++i) call_->Sweep(begin + milliseconds(200 * i));
  EXPECT_FALSE(responder_.ended) << "18 MiB of answers are untaken";
  responder_.Take();
  call_->Sweep(begin + milliseconds(39'900));
  EXPECT_FALSE(responder_.ended);
  call_->Sweep(begin + seconds(40));
  ExpectStatus(GrpcCode::kDeadlineExceeded);
}

// Whatever else comes on its connection.
TEST_F(Calls, AMessageOfWhichNothingComesForVeryLongEndsItsStream) {
  Begin(MethodKind::kStream);
  const std::string message = Framed(std::string(3000, 'x'));
  call_->OnData(message.substr(0, 1000));
  const auto begin = Call::Clock::now();
  const auto sweep = [&](milliseconds later) {
    responder_.connection_link.Arrived(size_t{100} << 10);
    call_->Sweep(begin + later);
  };
  for (int i = 1; i < 300; ++i) sweep(milliseconds(200 * i));
  EXPECT_FALSE(responder_.ended);
  sweep(milliseconds(60'100));
  ExpectStatus(GrpcCode::kDeadlineExceeded);
}

// Each gives the next message its time, not one that has begun.
TEST_F(Calls, AnswersThatAreTakenGiveAMessageNoTime) {
  Begin(MethodKind::kStream);
  for (int i = 0; i < 3; ++i) Say("x");
  loop_.Run();
  const std::string message = Framed(std::string(3000, 'x'));
  call_->OnData(message.substr(0, 100));
  const auto begin = Call::Clock::now();
  call_->Sweep(begin);
  for (const Ask& ask : asks_) Answer(ask, "y");
  loop_.Run();
  call_->Sweep(begin + milliseconds(9'900));
  EXPECT_FALSE(responder_.ended);
  std::this_thread::sleep_for(milliseconds(150));
  responder_.Take();
  call_->Sweep(begin + milliseconds(10'050));
  ExpectStatus(GrpcCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace akin::server

// Calls whose messages are inflated: one after the other, in turns, and what gains much behind
// text.
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

// Without end: whenever the event loop comes round there is another one, of five clients.
TEST_F(Inflated, BombsDoNotWaitForTheEndOfTexts) {
  constexpr int kSteps = (1 << 20) / MessageReader::kStepBytes + 1;
  Send("z", bomb_);
  int turns = 0;
  const std::function<void()> other = [&] {
    Send("a" + std::to_string(++turns % 5), text_);
    if (AsksOf("z") == 0 && turns < 100 * kSteps) loop_.Post()(other);
  };
  loop_.Post()(other);
  loop_.Run();
  ASSERT_EQ(AsksOf("z"), 1U);
  EXPECT_GT(turns, 7 * kSteps) << "it is behind them";
  EXPECT_LT(turns, 10 * kSteps);
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

// Calls of which each has all its room for what it gathers, a message that is inflated next, and
// one that waits for room.
class InflatedInRoom : public Inflated {
 protected:
  InflatedInRoom() {
    environment_.room_rate.grace = milliseconds(500);
    gather_.kind = MethodKind::kGather;
    for (int i = 0; i < 5; ++i) {
      responders_.push_back(std::make_unique<FakeResponder>());
      calls_.push_back(MakeCall(gather_, Info(), Encoding::kGzip, *responders_.back()));
      calls_.back()->OnData(Framed(Words(20'000)));
    }
  }
  void AddToAll(const std::string& message) {
    for (const auto& call : calls_) call->OnData(message);
  }
  void Wait() {
    calls_[BeginCall("a")]->OnData(Framed(std::string(4 << 20, 'x')).substr(0, 60'000));
  }

  Method gather_ = method_;
};

TEST_F(InflatedInRoom, WhoseTextsWaitForTheirTurnIsNotSlow) {
  AddToAll(text_);
  Wait();
  std::this_thread::sleep_for(milliseconds(600));  // As behind the texts of others.
  loop_.Run();
  SweepAll(Call::Clock::now());
  EXPECT_EQ(NumEnded(), 0U);
  EndAll();
}

class BombsInRoom : public InflatedInRoom {
 protected:
  // Of which its client makes more than its part of this second.
  BombsInRoom() {
    environment_.inflated = InflateBudget(size_t{64} << 10);
    Send("a", bomb_);
    loop_.Run();
    EXPECT_EQ(AsksOf("a"), 1U);
  }
  // And one waits for room.
  void SweepWhenTheyAreSlow() {
    Wait();
    loop_.Run();
    std::this_thread::sleep_for(environment_.room_rate.grace + milliseconds(50));
    SweepAll(Call::Clock::now());
    SweepAll(Call::Clock::now());
  }

  const std::string small_bomb_ = Framed(Deflated(Encoding::kGzip, std::string(40'000, 'a')), 1);
};

// Else a client holds all its room for as long as its own bombs use up what may be inflated.
TEST_F(BombsInRoom, WhoseBombsWaitForTheirClientsPartIsSlow) {
  AddToAll(small_bomb_);
  SweepWhenTheyAreSlow();
  EXPECT_EQ(NumEnded(), 1U);
  EXPECT_EQ(StatusOf(0), "8");
  EndAll();
}

TEST_F(BombsInRoom, AlsoWhoseBombsHaveAllCome) {
  AddToAll(small_bomb_ + small_bomb_);
  for (size_t i = 0; i < 5; ++i) calls_[i]->OnEnd();
  SweepWhenTheyAreSlow();
  EXPECT_EQ(NumEnded(), 1U);
  EXPECT_EQ(StatusOf(0), "8");
  EndAll();
}

TEST_F(BombsInRoom, WhoseLastMessageWaitsIsNotSlow) {
  AddToAll(small_bomb_);
  for (size_t i = 0; i < 5; ++i) calls_[i]->OnEnd();
  SweepWhenTheyAreSlow();
  EXPECT_EQ(NumEnded(), 0U);
  EndAll();
}

}  // namespace
}  // namespace akin::server

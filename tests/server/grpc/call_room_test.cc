// Room for messages that come in pieces: who finds none waits, and who has some must send.
#include <gtest/gtest.h>

#include "calls_fixture.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kAll = size_t{48} << 20;  // Of all clients; one alone has half.

// Each call sends as much as its window lets it, in turn.
class CallRoom : public ManyCalls {
 protected:
  static constexpr size_t kWindow = 65'535;

  void BeginCalls(const std::string& client, size_t count, size_t bytes) {
    for (size_t i = 0; i < count; ++i) {
      BeginCall(client);
      left_.push_back(Framed(std::string(bytes, 'x')));
      at_.push_back(0);
    }
  }
  // As far as that goes, but for the last `keeps` bytes of each.
  void SendAll(size_t keeps = 0) {
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (size_t i = 0; i < calls_.size(); ++i) goes_on |= SendMore(i, left_[i].size() - keeps);
      loop_.Run();
      EXPECT_LE(environment_.messages.held_bytes(), kAll);
    }
  }
  bool SendMore(size_t i, size_t end) {
    end = std::min(end, responders_[i]->consumed + kWindow);
    if (at_[i] >= end || responders_[i]->ended) return false;
    calls_[i]->OnData(std::string_view(left_[i]).substr(at_[i], end - at_[i]));
    at_[i] = end;
    if (end == left_[i].size()) calls_[i]->OnEnd();
    return true;
  }
  size_t NumThatHave(const std::string& status) const {
    return std::ranges::count_if(
        responders_, [&](const auto& each) { return each->Trailer("grpc-status") == status; });
  }

  std::vector<std::string> left_;
  std::vector<size_t> at_;
};

TEST_F(CallRoom, AllOfOneClientGetWhole) {
  for (const size_t bytes : {size_t{1} << 20, size_t{4} << 20}) {
    BeginCalls("a", 64, bytes);
    SendAll();
    EXPECT_EQ(NumEnded(), 0U);
    EXPECT_EQ(asks_.size(), 64U);
    EndAll();
    asks_.clear();
    left_.clear();
    at_.clear();
  }
}

TEST_F(CallRoom, AllOfManyClientsGetWhole) {
  for (int client = 0; client < 8; ++client) BeginCalls(std::string(1, 'a' + client), 16, 1 << 20);
  SendAll();
  EXPECT_EQ(NumEnded(), 0U);
  EXPECT_EQ(asks_.size(), 8 * 16U);
}

TEST_F(CallRoom, AllThatGatherGetWhole) {
  method_.kind = MethodKind::kGather;
  BeginCalls("a", 64, 30'000);
  for (std::string& bytes : left_) {
    for (int i = 0; i < 5; ++i) bytes += bytes.substr(0, 30'005) + bytes;
  }
  method_.most_messages = 1000;
  SendAll();
  EXPECT_EQ(NumEnded(), 0U);
  EXPECT_EQ(asks_.size(), 64U);
}

TEST_F(CallRoom, WhatIsNeverWholeHoldsNoMoreThanItsPartAndWindows) {
  BeginCalls("a", 100, 4 << 20);
  SendAll(1);
  EXPECT_LE(environment_.messages.held_bytes(), kAll / 2);
  size_t unread = 0;
  for (size_t i = 0; i < calls_.size(); ++i) unread += at_[i] - responders_[i]->consumed;
  EXPECT_LE(unread, 100 * kWindow);
  EXPECT_EQ(NumEnded(), 0U);
}

TEST_F(CallRoom, WhoWaitsForTooLongIsToldSo) {
  BeginCalls("a", 8, 4 << 20);
  SendAll(1);
  environment_.least_bytes_per_second_in_room = 0;
  SweepAll(Call::Clock::now() + milliseconds(9'500));
  EXPECT_EQ(NumEnded(), 0U);
  SweepAll(Call::Clock::now() + milliseconds(10'500));
  ASSERT_EQ(NumThatHave("8"), 3U);  // There is room for five, and a little.
  EXPECT_EQ(WordsOf(7),
            "messages that have not come whole leave no room for this one; send less at once");
}

// 64 KiB a second: 400,000 bytes are enough for 6 s.
TEST_F(CallRoom, WhoHasRoomMustSendWhileOthersWait) {
  constexpr size_t kSize = size_t{4} << 20, kSent = 400'000;
  BeginCalls("a", 5, kSize);
  SendAll(kMessagePrefixBytes + kSize - kSent);
  const auto now = Call::Clock::now();
  SweepAll(now + seconds(9));
  EXPECT_EQ(NumEnded(), 0U) << "nobody waits";
  BeginCalls("a", 1, kSize);
  SendMore(5, 60'000);
  EXPECT_LT(responders_[5]->consumed, MessageReader::kEarlyBytes);
  EXPECT_TRUE(responders_[0]->rests);
  EXPECT_FALSE(responders_[5]->rests) << "it is not waited for";
  SweepAll(now + milliseconds(5'500));
  EXPECT_EQ(NumEnded(), 0U);
  SweepAll(now + seconds(7));
  EXPECT_EQ(NumThatHave("8"), 1U) << "what it leaves is enough";
  EXPECT_EQ(WordsOf(0),
            "a message takes too long to come while others wait for the room that is kept for it");
  EXPECT_EQ(responders_[5]->consumed, 60'000U);
  EXPECT_TRUE(responders_[5]->rests);
  SweepAll(now + seconds(8));
  EXPECT_EQ(NumEnded(), 1U);
}

TEST_F(CallRoom, WhoHasLittleHoldsUpNobodyWhoHasMuch) {
  BeginCalls("a", 8, 4 << 20);
  SendAll(1);
  BeginCalls("b", 1, 1 << 20);
  SendMore(8, 50'000);
  environment_.least_bytes_per_second_in_room = int64_t{1} << 30;
  SweepAll(Call::Clock::now() + milliseconds(9'500));
  EXPECT_EQ(NumThatHave("8"), 1U);
  EXPECT_FALSE(responders_[8]->ended);
  EXPECT_EQ(responders_[8]->consumed, 50'000U);
}

}  // namespace
}  // namespace akin::server

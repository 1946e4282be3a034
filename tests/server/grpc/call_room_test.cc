// Room for messages that come in pieces: who finds none waits, and who has some must send.
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <random>

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

  void BeginCalls(const std::string& client, size_t count, size_t bytes,
                  MessageBudget::Floor* floor = nullptr) {
    for (size_t i = 0; i < count; ++i) {
      BeginCall(client, Encoding::kIdentity, floor);
      left_.push_back(Framed(std::string(bytes, 'x')));
      at_.push_back(0);
    }
  }
  // As far as that goes, but for the last `keeps` bytes of each; of each at most `frame` at once.
  void SendAll(size_t keeps = 0, size_t frame = kWindow) {
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      for (size_t i = 0; i < calls_.size(); ++i)
        goes_on |= SendMore(i, std::min(left_[i].size() - keeps, at_[i] + frame));
      loop_.Run();
      EXPECT_LE(environment_.messages.held_bytes() + environment_.early_messages.held_bytes(),
                kAll);
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
  void Forget() {
    EndAll();
    asks_.clear();
    left_.clear();
    at_.clear();
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
    Forget();
  }
}

// As gRPC's clients send, on connections and streams in turn.
TEST_F(CallRoom, AllGetWholeWhenTheirFramesComeInTurns) {
  for (const auto kind : {MethodKind::kUnary, MethodKind::kGather}) {
    method_.kind = kind;
    for (const size_t frame : {4'096, 16'384}) {
      for (const size_t bytes : {5'000, 20'000, 65'536}) {
        BeginCalls("a", 2'000, bytes);
        SendAll(0, frame);
        EXPECT_EQ(NumEnded(), 0U) << frame << ' ' << bytes;
        EXPECT_EQ(asks_.size(), 2'000U) << frame << ' ' << bytes;
        Forget();
      }
    }
  }
}

// Of any length, from several clients, at their own pace: while something can be sent, and nothing
// is refused for want of room, all get whole.
TEST_F(CallRoom, AllGetWholeWhateverTheirLengthsAndOrder) {
  // A sanitizer's build takes longer for small pieces than calls may wait.
  const size_t most_at_once = std::getenv("AKIN_TEST_SLOW") != nullptr ? 65'536 : 16'384;
  std::mt19937 random(11);
  for (int round = 0; round < 8; ++round) {
    method_.kind = round % 2 == 0 ? MethodKind::kUnary : MethodKind::kGather;
    const size_t most_bits = 14 + round;
    const size_t count = std::min<size_t>(4'000, (size_t{256} << 20) >> most_bits);
    for (size_t i = 0; i < count; ++i)
      BeginCalls(std::string(1, static_cast<char>('a' + random() % (1 + round / 4))), 1,
                 random() % (size_t{1} << most_bits));
    for (bool goes_on = true; goes_on;) {
      std::vector<size_t> order(count);
      std::iota(order.begin(), order.end(), 0);
      std::ranges::shuffle(order, random);
      goes_on = false;
      for (const size_t i : order) {
        goes_on |= SendMore(i, std::min(left_[i].size(), at_[i] + 1 + random() % most_at_once));
        if (random() % 4 == 0) loop_.Run();
        // One of those that wait is due, and nobody is slow.
        if (round % 4 < 2 && random() % 64 == 0) SweepAll(Call::Clock::now() + seconds(3));
      }
      loop_.Run();
      EXPECT_LE(environment_.messages.held_bytes() + environment_.early_messages.held_bytes(),
                kAll);
    }
    EXPECT_EQ(NumEnded(), 0U) << round;
    EXPECT_EQ(asks_.size(), count) << round;
    Forget();
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
  environment_.room_rate.grace = std::chrono::hours(1);
  BeginCalls("a", 8, 4 << 20);
  SendAll(1);
  SweepAll(Call::Clock::now() + milliseconds(9'500));
  EXPECT_EQ(NumEnded(), 0U);
  SweepAll(Call::Clock::now() + milliseconds(10'500));
  ASSERT_EQ(NumThatHave("8"), 3U);  // There is room for five, and a little.
  EXPECT_EQ(WordsOf(7),
            "messages that have not come whole leave no room for this one; send less at once");
  EXPECT_EQ(responders_[7]->Trailer("grpc-retry-pushback-ms"), "1000");
}

// 64 KiB a second, whenever: 400,000 bytes at once are enough for the 5 s that one may be behind.
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
  SweepAll(now + milliseconds(4'500));
  EXPECT_EQ(NumEnded(), 0U);
  SweepAll(now + milliseconds(5'500));
  EXPECT_EQ(NumThatHave("8"), 1U) << "what it leaves is enough";
  EXPECT_EQ(WordsOf(0),
            "a message takes too long to come while others wait for the room that is kept for it");
  EXPECT_EQ(responders_[5]->consumed, 60'000U);
  EXPECT_TRUE(responders_[5]->rests);
  SweepAll(now + seconds(8));
  EXPECT_EQ(NumEnded(), 1U);
}

// Others hold its connection's window shut, or the event loop was held up: nothing of it could
// come.
TEST_F(CallRoom, WhoCouldNotSendDoesNotLoseItsRoom) {
  BeginCalls("a", 6, size_t{4} << 20);  // Of which five have room.
  for (size_t i = 0; i < 6; ++i) SendMore(i, 60'000);
  const auto now = Call::Clock::now();
  const auto each_link = [&](const auto& call) {
    for (const auto& each : responders_) call(each->connection_link);
  };
  each_link([&](Link& link) { link.SetState(Link::State::kShut, now); });
  for (int i = 1; i <= 30; ++i) {
    const auto later = now + milliseconds(100 * i);
    each_link([&](Link& link) { link.SetState(Link::State::kShut, later); });
    SweepAll(later);
  }
  each_link([&](Link& link) {
    link.SetState(Link::State::kOpen, now + seconds(3));
    link.HeldUp(milliseconds(1'500), now + milliseconds(4'500));
  });
  SweepAll(now + milliseconds(9'400));
  EXPECT_EQ(NumEnded(), 0U);
  // That it takes nothing of what we say is its own fault.
  each_link([&](Link& link) { link.SetState(Link::State::kUnread, now + seconds(3)); });
  each_link([&](Link& link) { link.SetState(Link::State::kUnread, now + milliseconds(9'700)); });
  SweepAll(now + milliseconds(9'700));
  EXPECT_EQ(NumThatHave("8"), 1U);
}

// 4 MiB that have come pay for no more than 5 s of a call that does not end.
TEST_F(CallRoom, WhoseMessageIsWholeMustEndHisCallWhileOthersWait) {
  constexpr size_t kSize = size_t{4} << 20;
  const std::string whole = Framed(std::string(kSize, 'x'));
  for (int i = 0; i < 5; ++i) calls_[BeginCall("a")]->OnData(whole);
  const size_t waiting = BeginCall("a");
  calls_[waiting]->OnData(whole.substr(0, 60'000));
  const auto now = Call::Clock::now();
  EXPECT_LT(responders_[waiting]->consumed, MessageReader::kEarlyBytes);
  SweepAll(now + milliseconds(4'500));
  EXPECT_EQ(NumEnded(), 0U);
  SweepAll(now + milliseconds(5'500));
  EXPECT_EQ(NumThatHave("8"), 1U);
  EXPECT_EQ(responders_[waiting]->consumed, 60'000U);
  EndAll();
}

// Untaken answers are its client's, though nothing of the stream is read meanwhile.
TEST_F(CallRoom, AStreamWhoseAnswersAreNotTakenKeepsNoRoomFromOthers) {
  environment_.write_timeout = seconds(1000);
  Method stream = method_;
  stream.kind = MethodKind::kStream;
  call_ = MakeCall(stream, Info(), Encoding::kIdentity, responder_);
  for (int i = 0; i < 3; ++i) Say("x");
  loop_.Run();
  call_->OnData(Framed(std::string(4 << 20, 'x')).substr(0, 6'000));
  const auto begin = Call::Clock::now();
  const std::vector<Ask> asked = std::exchange(asks_, {});
  ASSERT_EQ(asked.size(), 3U);
  for (const Ask& ask : asked) Answer(ask, std::string(6 << 20, 'x'));
  loop_.Run();
  BeginCalls("a", 5, 4 << 20);  // Beside the stream four of them have room.
  SendAll(1);
  EXPECT_LT(responders_[4]->consumed, 60'000U);
  const auto sweep = [&](Call::Clock::time_point now) {
    call_->Sweep(now);
    SweepAll(now);
  };
  sweep(begin + milliseconds(4'900));
  EXPECT_FALSE(responder_.ended);
  sweep(begin + milliseconds(5'500));
  EXPECT_EQ(responder_.Trailer("grpc-status"), "8");
  EXPECT_GT(responders_[4]->consumed, 60'000U);
  EXPECT_EQ(NumEnded(), 0U);
}

// Each address has six calls that begin anew whenever one ends; what one leaves is less than the
// other needs, and those that wait would take it.
TEST_F(CallRoom, WhoNeedsMuchIsNotPassedOverForEver) {
  constexpr size_t kClients = 16, kSize = 1'000'000, kMuch = 3'900'000;
  const auto begin = [&](size_t client) { BeginCalls("a" + std::to_string(client), 1, kSize); };
  const auto begin_again = [&](size_t client) {
    begin(client);
    SendMore(calls_.size() - 1, 5'000);
  };
  // All messages begin at once, which they would not while they are made.
  for (size_t i = 0; i < 6 * kClients; ++i) begin(i % kClients);
  for (size_t i = 0; i < 6 * kClients; ++i) SendMore(i, 5'000);
  const auto now = Call::Clock::now();
  SweepAll(now);
  EXPECT_FALSE(environment_.messages.HasRoomFor("much", kMuch));
  const size_t much = calls_.size();
  BeginCalls("much", 1, kMuch);
  SendMore(much, 60'000);
  // One that needs less than what is free now waits behind it, but for two seconds not, nor with
  // little.
  const auto is_taken = [&](size_t bytes) {
    const size_t i = calls_.size();
    BeginCalls("little" + std::to_string(i), 1, bytes);
    SendMore(i, 60'000);
    return responders_[i]->consumed == 60'000;
  };
  SweepAll(now + milliseconds(1'900));
  EXPECT_TRUE(is_taken(500'000));
  SweepAll(now + milliseconds(2'100));
  ASSERT_TRUE(environment_.messages.HasRoomFor("little", 500'000));
  EXPECT_FALSE(is_taken(500'000));
  EXPECT_TRUE(is_taken(70'000));
  EXPECT_EQ(NumEnded(), 0U);
  int sweeps = 0;
  for (; responders_[much]->consumed < 60'000 && sweeps < 20; ++sweeps) {
    const size_t before = NumEnded(), count = calls_.size();
    SweepAll(now + milliseconds(5'100 + 200 * sweeps));
    // As many at once as it needs.
    EXPECT_LE(NumEnded() - before, 1 + 2 * kMuch / kSize);
    for (size_t i = 0; i < count; ++i) {
      if (responders_[i]->ended && left_[i].size() > kSize) {
        left_[i].clear();
        begin_again(i % kClients);
      }
    }
  }
  EXPECT_EQ(sweeps, 2) << "the first one is of who needs less";
  EXPECT_EQ(responders_[much]->consumed, 60'000U);
  EXPECT_EQ(responders_[much + 2]->consumed, 60'000U) << "who was kept waiting for it";
  EXPECT_FALSE(responders_[much]->ended);
}

// With the room of the first one it might wait for those that hold all other.
TEST_F(CallRoom, WhoTakesOneMessageDoesNotWaitForASecond) {
  const size_t i = BeginCall("a");
  const std::string second = Framed(std::string(1 << 20, 'y'));
  calls_[i]->OnData(Framed(std::string(30'000, 'x')) + second.substr(0, kMessagePrefixBytes));
  EXPECT_EQ(StatusOf(i), "12");
  EXPECT_EQ(WordsOf(i), "the method takes one message, found more");
  EXPECT_EQ(environment_.messages.held_bytes(), 0U);
}

TEST_F(CallRoom, ManyThatWaitForTooLongEndInSeveralSweeps) {
  constexpr size_t kCount = 900, kSize = size_t{4} << 20;
  environment_.room_rate.grace = std::chrono::hours(1);
  const std::string begin = Framed(std::string(kSize, 'x')).substr(0, 5'000);
  for (size_t i = 0; i < kCount; ++i) calls_[BeginCall("a")]->OnData(begin);
  const auto now = Call::Clock::now();
  for (int i = 0; i < 3; ++i) {
    SweepAll(now + milliseconds(10'500 + 200 * i));
    EXPECT_EQ(NumThatHave("8"), 256U * (i + 1));
  }
  // With those that had room and were too slow, and those that had it next.
  for (int i = 3; i < 6; ++i) SweepAll(now + milliseconds(10'500 + 200 * i));
  EXPECT_EQ(NumEnded(), kCount);
}

TEST_F(CallRoom, WhoHasLittleHoldsUpNobodyWhoHasMuch) {
  BeginCalls("a", 8, 4 << 20);
  SendAll(1);
  BeginCalls("b", 1, 1 << 20);
  SendMore(8, 50'000);
  SweepAll(Call::Clock::now() + milliseconds(9'500));
  EXPECT_EQ(NumThatHave("8"), 1U);
  EXPECT_FALSE(responders_[8]->ended);
  EXPECT_EQ(responders_[8]->consumed, 50'000U);
}

// Of its own connection, whoever else it is with.
TEST_F(CallRoom, WhoeverHoldsAllAConnectionHasRoomForAnOrdinaryMessage) {
  for (int client = 0; client < 16; ++client)
    BeginCalls(std::string(1, 'a' + client), 4, client < 3 ? 4 << 20 : 1 << 20);
  BeginCalls("a", 3, 4 << 20);
  SendAll(1);
  for (int client = 0; client < 8; ++client) {
    BeginCalls("more " + std::to_string(client), 30, 60'000);
    SendAll(1);
  }
  const size_t held = environment_.messages.held_bytes();
  EXPECT_GT(held, size_t{43} << 20);
  std::vector<MessageBudget::Floor> floors(6);  // Of as many connections.
  size_t asked = 0;
  for (const std::string client : {"a", "new"}) {
    for (const size_t bytes : {5'000, 20'000, 60'000}) {
      const size_t i = calls_.size();
      BeginCalls(client, 1, bytes, &floors[asked]);
      // In frames of 4,096 bytes: none brings all of it.
      for (size_t end = 4096; at_[i] < left_[i].size(); end += 4096)
        SendMore(i, std::min(end, left_[i].size()));
      loop_.Run();
      ASSERT_EQ(asks_.size(), ++asked) << client << ' ' << bytes;
      EXPECT_EQ(asks_.back().messages[0].size(), bytes);
      EXPECT_EQ(floors[asked - 1].bytes, 0U);
    }
  }
  // One that is longer than the floor takes nothing of it.
  BeginCalls("a", 1, 100'000, &floors[0]);
  SendMore(calls_.size() - 1, 50'000);
  EXPECT_EQ(floors[0].bytes, 0U);
  EXPECT_LT(responders_.back()->consumed, MessageReader::kEarlyBytes);
  EXPECT_EQ(environment_.messages.held_bytes(), held);
  EXPECT_EQ(NumEnded(), 0U);
  EndAll();
}

TEST_F(CallRoom, OfOneConnectionTheNextHasTheFloorWhenItIsFree) {
  BeginCalls("a", 8, 4 << 20);
  SendAll(1);
  MessageBudget::Floor floor;
  constexpr size_t kCounts = 40'000 + sizeof(std::string);
  BeginCalls("a", 2, 40'000, &floor);
  const size_t one = calls_.size() - 2, two = calls_.size() - 1;
  for (const size_t i : {one, two}) SendMore(i, 39'000);
  EXPECT_EQ(floor.bytes, kCounts);
  EXPECT_EQ(responders_[one]->consumed, 39'000U);
  EXPECT_LT(responders_[two]->consumed, MessageReader::kEarlyBytes);
  // Who waits for room is not helped by what is on the floor: it is not hurried.
  calls_[one]->Sweep(Call::Clock::now() + milliseconds(9'000));
  EXPECT_FALSE(responders_[one]->ended);
  SendMore(one, left_[one].size());
  loop_.Run();
  EXPECT_EQ(asks_.size(), 1U);
  EXPECT_EQ(floor.bytes, 0U);
  calls_[two]->Sweep(Call::Clock::now());
  EXPECT_EQ(floor.bytes, kCounts);
  EXPECT_EQ(responders_[two]->consumed, 39'000U);
  SendMore(two, left_[two].size());
  loop_.Run();
  EXPECT_EQ(asks_.size(), 2U);
  EXPECT_EQ(floor.bytes, 0U);
  EndAll();
}

}  // namespace
}  // namespace akin::server

#include "server/budgets/body_rooms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace akin::server {
namespace {

using Answer = BodyRooms::Answer;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kKiB = 1 << 10;
constexpr size_t kMost = 2000 * kKiB;
constexpr BodyRooms::TimePoint kBegin{seconds(1000)};

// An upload that sends pieces of 2 KiB, and not while it waits.
struct Upload {
  Upload(BodyRooms& rooms, const std::string& client, std::optional<size_t> known, size_t size,
         bool has_floor = false)
      : body(rooms, client, has_floor ? &floor : nullptr), length(known), bytes(size) {}

  // -> whether it is over, whole or refused.
  bool Send() {
    const size_t next = std::min(bytes, sent + 2 * kKiB);
    if (!body.is_waiting()) {
      const Answer answer = body.Ask(next, length, kMost, kBegin, [this] { ++times_called; });
      if (answer == Answer::kNone) is_refused = true;
      if (answer == Answer::kRoom) sent = next;
    }
    if (sent == bytes || is_refused) body.Clear();
    return sent == bytes || is_refused;
  }

  MessageBudget::Floor floor;
  BodyRooms::Body body;
  const std::optional<size_t> length;
  const size_t bytes;
  size_t sent = 0;
  int times_called = 0;
  bool is_refused = false;
};

// Pieces in turns, until all are over. -> the rounds it took; 0: nobody goes on.
int SendInTurns(std::deque<Upload>& uploads, bool sweeps = false) {
  size_t over = 0;
  std::vector<bool> is_over(uploads.size());
  for (int round = 1; round < 100'000; ++round) {
    bool goes_on = false;
    // In a sweep: of all that wait one is due, and nobody is slow.
    if (sweeps) {
      const auto now = kBegin + seconds(3) + std::chrono::microseconds(round);
      EXPECT_FALSE(uploads[0].body.HoldsUpOthers(now));
    }
    for (size_t i = 0; i < uploads.size(); ++i) {
      if (is_over[i]) continue;
      const size_t before = uploads[i].sent;
      is_over[i] = uploads[i].Send();
      over += is_over[i];
      goes_on = goes_on || is_over[i] || uploads[i].sent > before;
    }
    if (over == uploads.size()) return round;
    if (!goes_on) return 0;
  }
  return 0;
}

TEST(BodyRooms, ManyUploadsAtTheSamePaceAllComeWhole) {
  BodyRooms rooms(size_t{128} << 20);
  std::deque<Upload> uploads;
  for (int i = 0; i < 120; ++i) uploads.emplace_back(rooms, "a", 1900 * kKiB, 1900 * kKiB);
  EXPECT_GT(SendInTurns(uploads), 0);
  for (const Upload& upload : uploads) {
    EXPECT_FALSE(upload.is_refused);
    EXPECT_EQ(upload.sent, upload.bytes);
  }
  EXPECT_EQ(rooms.held_bytes(), 0u);
}

// Lengths that fit, known or not, of several clients: whoever is refused did not know its length.
TEST(BodyRooms, NoMixOfLengthsLocksUp) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 50; ++trial) {
    BodyRooms rooms(size_t{16} << 20);
    std::deque<Upload> uploads;
    for (int i = 0; i < 100; ++i) {
      const size_t bytes = 1 + random() % (1 << random() % 21);
      const auto length = random() % 3 == 0 ? std::nullopt : std::optional(bytes);
      uploads.emplace_back(rooms, std::string(1, 'a' + random() % 5), length, bytes, trial % 2);
    }
    EXPECT_GT(SendInTurns(uploads, trial % 4 < 2), 0) << trial;
    for (const Upload& upload : uploads) EXPECT_TRUE(!upload.is_refused || !upload.length);
    EXPECT_EQ(rooms.held_bytes(), 0u);
  }
}

// 64 KiB, of which one client has 32.
struct Full {
  Full() {
    EXPECT_EQ(first.Ask(5 * kKiB, 32 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  }
  BodyRooms rooms{64 * kKiB};
  BodyRooms::Body first{rooms, "a"};
};

TEST(BodyRooms, ThoseOfAClientHaveTheirOrderAndClientsTurns) {
  Full full;
  BodyRooms::Body other(full.rooms, "b");
  EXPECT_EQ(other.Ask(16 * kKiB, 16 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  std::string order;
  std::deque<BodyRooms::Body> waiting;
  for (const char* name : {"a1", "a2", "b1", "a3"}) {
    BodyRooms::Body& body = waiting.emplace_back(full.rooms, std::string(1, name[0]));
    const size_t length = name == std::string("a3") ? 5 * kKiB : 14 * kKiB;
    EXPECT_EQ(body.Ask(length, length, kMost, kBegin,
                       [&order, name] { order += name + std::string(" "); }),
              Answer::kWaits);
  }
  full.first.Clear();
  EXPECT_EQ(order, "a1 ");  // 24 KiB beside b's 16; a3, which has room, waits behind a2.
  other.Clear();
  EXPECT_EQ(order, "a1 b1 ");
  waiting[0].Clear();
  EXPECT_EQ(order, "a1 b1 a2 a3 ");
}

TEST(BodyRooms, WhoGoesDoesNotHoldUpWhoIsBehind) {
  Full full;
  int called = 0;
  auto second = std::make_unique<BodyRooms::Body>(full.rooms, "a");
  BodyRooms::Body third(full.rooms, "a");
  EXPECT_EQ(second->Ask(8 * kKiB, 32 * kKiB, kMost, kBegin, [] { FAIL(); }), Answer::kWaits);
  EXPECT_EQ(third.Ask(8 * kKiB, 32 * kKiB, kMost, kBegin, [&] { ++called; }), Answer::kWaits);
  second.reset();
  full.first.Clear();
  EXPECT_EQ(called, 1);
  EXPECT_TRUE(third.Has(32 * kKiB));
}

TEST(BodyRooms, FewBytesNeedNoneAndAnotherClientHasItsPart) {
  Full full;
  BodyRooms::Body same(full.rooms, "a"), other(full.rooms, "b");
  EXPECT_EQ(same.Ask(4 * kKiB, 2000 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(other.Ask(5 * kKiB, 16 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
}

// It takes what there is, since the most it might have never is there, and does not wait with it.
TEST(BodyRooms, OneOfUnknownLengthIsRefusedRatherThanWaitsWithAPart) {
  BodyRooms rooms(64 * kKiB);
  BodyRooms::Body first(rooms, "a"), second(rooms, "a");
  EXPECT_EQ(first.Ask(8 * kKiB, std::nullopt, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(rooms.held_bytes(), 8 * kKiB);
  bool is_called = false;
  EXPECT_EQ(second.Ask(8 * kKiB, std::nullopt, kMost, kBegin, [&] { is_called = true; }),
            Answer::kWaits);
  EXPECT_EQ(first.Ask(32 * kKiB, std::nullopt, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(first.Ask(33 * kKiB, std::nullopt, kMost, kBegin, [] {}), Answer::kNone);
  first.Clear();
  EXPECT_TRUE(is_called);
  EXPECT_EQ(rooms.held_bytes(), 8 * kKiB);
}

TEST(BodyRooms, WhoIsSlowInItsRoomGoesWhenOthersWaitOneAtATime) {
  BodyRooms rooms(128 * kKiB);
  BodyRooms::Body slow(rooms, "a"), also(rooms, "a"), fast(rooms, "a"), third(rooms, "a");
  for (BodyRooms::Body* body : {&slow, &also})
    EXPECT_EQ(body->Ask(5 * kKiB, 20 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(fast.Ask(5 * kKiB, 20 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  const auto late = kBegin + seconds(5);
  fast.Arrived(10 * kKiB, kBegin + seconds(4));
  EXPECT_FALSE(slow.HoldsUpOthers(late));  // Nobody waits.
  EXPECT_EQ(third.Ask(5 * kKiB, 20 * kKiB, kMost, late, [] {}), Answer::kWaits);
  EXPECT_FALSE(slow.HoldsUpOthers(late - milliseconds(1)));
  EXPECT_FALSE(fast.HoldsUpOthers(late + milliseconds(1)));
  EXPECT_TRUE(slow.HoldsUpOthers(late + milliseconds(1)));
  EXPECT_FALSE(also.HoldsUpOthers(late + milliseconds(1)));
  EXPECT_TRUE(also.HoldsUpOthers(late + milliseconds(2)));
}

TEST(BodyRooms, WhoIsSlowDoesNotGoForWhoHasMore) {
  BodyRooms rooms(128 * kKiB);
  BodyRooms::Body slow(rooms, "a"), most(rooms, "b"), waiting(rooms, "b");
  EXPECT_EQ(slow.Ask(5 * kKiB, 5 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(most.Ask(60 * kKiB, 60 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(waiting.Ask(60 * kKiB, 60 * kKiB, kMost, kBegin, [] {}), Answer::kWaits);
  EXPECT_FALSE(slow.HoldsUpOthers(kBegin + seconds(20)));
  EXPECT_TRUE(most.HoldsUpOthers(kBegin + seconds(21)));
}

// Uploads of 300 KiB that send nothing and begin anew whenever one ends; what one leaves is less
// than the other needs.
TEST(BodyRooms, WhoNeedsMuchIsNotPassedOverForEver) {
  constexpr size_t kClients = 40, kEach = 3, kSmall = 300 * kKiB, kMuch = 1900 * kKiB;
  BodyRooms rooms(size_t{16} << 20);
  std::deque<BodyRooms::Body> uploads;
  const auto begin = BodyRooms::TimePoint::clock::now();
  for (size_t i = 0; i < kClients * kEach; ++i) {
    uploads.emplace_back(rooms, std::to_string(i % kClients));
    uploads.back().Ask(5 * kKiB, kSmall, kMost, begin, [] {});
  }
  BodyRooms::Body much(rooms, "much"), little(rooms, "little");
  bool has_room = false;
  EXPECT_EQ(much.Ask(5 * kKiB, kMuch, kMost, begin, [&] { has_room = true; }), Answer::kWaits);
  size_t most_ended = 0;
  auto now = begin;
  for (; !has_room && now < begin + seconds(10); now += milliseconds(200)) {
    if (now == begin + milliseconds(2'200)) {
      EXPECT_EQ(little.Ask(5 * kKiB, 5 * kKiB, kMost, now, [] {}), Answer::kRoom);
    }
    std::vector<BodyRooms::Body*> ended;
    for (BodyRooms::Body& body : uploads) {
      if (!body.is_waiting() && body.HoldsUpOthers(now)) ended.push_back(&body);
    }
    most_ended = std::max(most_ended, ended.size());
    // Later, as coroutines of HTTP/1.1 do.
    for (BodyRooms::Body* body : ended) {
      body->Clear();
      body->Ask(5 * kKiB, kSmall, kMost, now, [] {});
    }
  }
  EXPECT_TRUE(has_room);
  EXPECT_LT(now, begin + milliseconds(5'500));
  EXPECT_GT(most_ended, 1u);
  EXPECT_LE(most_ended, 1 + 2 * kMuch / kSmall);
}

TEST(BodyRooms, WhatFitsOnTheFloorWaitsForNobodyAndMoreWaitsThere) {
  Full full;
  MessageBudget::Floor floors[2];
  BodyRooms::Body before(full.rooms, "a"), known(full.rooms, "a", &floors[0]),
      unknown(full.rooms, "a", &floors[1]);
  EXPECT_EQ(before.Ask(8 * kKiB, 32 * kKiB, kMost, kBegin, [] {}), Answer::kWaits);
  EXPECT_EQ(known.Ask(8 * kKiB, 64 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(unknown.Ask(40 * kKiB, std::nullopt, 80 * kKiB, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(full.rooms.held_bytes(), 32 * kKiB);
  EXPECT_FALSE(known.HoldsUpOthers(kBegin + seconds(20)));
  bool is_called = false;
  EXPECT_EQ(unknown.Ask(80 * kKiB, std::nullopt, 80 * kKiB, kBegin, [&] { is_called = true; }),
            Answer::kWaits);
  EXPECT_EQ(floors[1].bytes, 40 * kKiB);
  before.StopWaiting();
  full.first.Clear();
  EXPECT_FALSE(is_called);  // There never is so much.
  BodyRooms wide(size_t{1} << 20);
  BodyRooms::Body first(wide, "a"), second(wide, "a", &floors[1]);
  unknown.Clear();
  EXPECT_EQ(first.Ask(8 * kKiB, 500 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(second.Ask(40 * kKiB, std::nullopt, 80 * kKiB, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(second.Ask(65 * kKiB, std::nullopt, 80 * kKiB, kBegin, [&] { is_called = true; }),
            Answer::kWaits);
  first.Clear();
  EXPECT_TRUE(is_called);
  EXPECT_EQ(wide.held_bytes(), 80 * kKiB);
  EXPECT_EQ(floors[1].bytes, 0u);
}

TEST(BodyRooms, OfOneConnectionTheNextHasTheFloorWhenItIsFree) {
  Full full;
  MessageBudget::Floor floor;
  BodyRooms::Body one(full.rooms, "a", &floor), two(full.rooms, "a", &floor);
  EXPECT_EQ(one.Ask(8 * kKiB, 40 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(two.Ask(8 * kKiB, 30 * kKiB, kMost, kBegin, [] { FAIL(); }), Answer::kWaits);
  EXPECT_FALSE(two.TakeFloor(8 * kKiB));
  one.Clear();
  EXPECT_TRUE(two.TakeFloor(8 * kKiB));
  EXPECT_FALSE(two.is_waiting());
  EXPECT_TRUE(two.Has(30 * kKiB));
  EXPECT_EQ(floor.bytes, 30 * kKiB);
  full.first.Clear();
}

// Its window lets more come while it waits; with less than that it would have to wait again.
TEST(BodyRooms, OnTheFloorABodyWithoutLengthHasWhatHasComeMeanwhile) {
  Full full;
  MessageBudget::Floor floor;
  BodyRooms::Body one(full.rooms, "a", &floor), two(full.rooms, "a", &floor);
  EXPECT_EQ(one.Ask(8 * kKiB, 40 * kKiB, kMost, kBegin, [] {}), Answer::kRoom);
  EXPECT_EQ(two.Ask(30 * kKiB, std::nullopt, kMost, kBegin, [] { FAIL(); }), Answer::kWaits);
  one.Clear();
  EXPECT_FALSE(two.TakeFloor(65 * kKiB));
  EXPECT_TRUE(two.is_waiting());
  EXPECT_TRUE(two.TakeFloor(60 * kKiB));
  EXPECT_TRUE(two.Has(60 * kKiB));
  full.first.Clear();
}

}  // namespace
}  // namespace akin::server

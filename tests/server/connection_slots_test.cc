#include "server/http/connection_slots.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace akin::server {
namespace {

using Slot = ConnectionSlots::Slot;
using Slots = std::vector<std::unique_ptr<Slot>>;
using std::chrono::milliseconds;

constexpr ConnectionSlots::TimePoint kBegin{};
constexpr auto kLater = kBegin + ConnectionSlots::kPatience;

// As many as are admitted, `most` at most.
Slots Take(ConnectionSlots& slots, const std::string& client, size_t most) {
  Slots taken;
  while (taken.size() < most && slots.Admits(client))
    taken.push_back(std::make_unique<Slot>(slots, client, kBegin));
  return taken;
}

// As many, each of which has been used.
Slots Use(ConnectionSlots& slots, const std::string& client, size_t most) {
  Slots used = Take(slots, client, most);
  for (const auto& slot : used) slot->SetAsked(kBegin);
  return used;
}

TEST(ConnectionSlots, OneClientHasAllButTheLastEighth) {
  ConnectionSlots slots(800);
  EXPECT_EQ(Take(slots, "a", 1000).size(), 700u);
}

TEST(ConnectionSlots, OfTheLastEighthAClientHasHalfOfWhatTheOthersLeave) {
  ConnectionSlots slots(800);
  const Slots a = Take(slots, "a", 1000), b = Take(slots, "b", 1000), c = Take(slots, "c", 1000);
  EXPECT_EQ(b.size(), 50u);
  EXPECT_EQ(c.size(), 25u);
  EXPECT_TRUE(slots.Admits("d"));
  EXPECT_FALSE(slots.Admits("a"));
}

TEST(ConnectionSlots, GreedyClientsLeaveAsMuchAsEachOfThemHas) {
  ConnectionSlots slots(800);
  std::vector<Slots> taken(9);
  for (bool goes_on = true; goes_on;) {  // In turn.
    goes_on = false;
    for (size_t i = 0; i < taken.size(); ++i) {
      Slots one = Take(slots, std::to_string(i), 1);
      goes_on = goes_on || !one.empty();
      for (auto& slot : one) taken[i].push_back(std::move(slot));
    }
  }
  for (const Slots& of_one : taken) EXPECT_NEAR(static_cast<double>(of_one.size()), 80, 2);
  EXPECT_NEAR(static_cast<double>(Take(slots, "last", 1000).size()), 40, 8);
}

TEST(ConnectionSlots, FewHaveNoReserve) {
  ConnectionSlots slots(1);
  EXPECT_EQ(Take(slots, "a", 2).size(), 1u);
}

TEST(ConnectionSlots, TheLastPlaceIsSomebodys) {
  ConnectionSlots slots(8);
  const Slots a = Take(slots, "a", 8);
  EXPECT_EQ(a.size(), 7u);
  EXPECT_FALSE(slots.Admits("a"));
  EXPECT_EQ(Take(slots, "b", 8).size(), 1u);
}

TEST(ConnectionSlots, WhoHasNeverAskedGivesWayAtOnceTheLongestIdleFirst) {
  ConnectionSlots slots(100);
  const Slots a = Use(slots, "a", 20), b = Take(slots, "b", 2), c = Take(slots, "c", 3);
  EXPECT_EQ(slots.IdleFor("d", kBegin), b[0].get());
  b[0]->SetIdle(kBegin);  // Bytes are no request.
  EXPECT_EQ(slots.IdleFor("d", kBegin), b[0].get());
  b[0]->Postpone(kBegin);
  EXPECT_EQ(slots.IdleFor("d", kBegin), b[1].get());
  b[1]->SetBusy();  // As of a Watch,
  EXPECT_EQ(slots.IdleFor("d", kBegin), c[0].get());
  b[1]->SetIdle(kBegin);  // whose client waits now.
  for (const auto& slot : c) slot->SetAsked(kBegin);
  EXPECT_EQ(slots.IdleFor("d", kBegin), b[0].get());
  b[0]->Release();
  EXPECT_EQ(slots.IdleFor("d", kBegin), b[1].get());
  b[0]->SetIdle(kBegin);  // It counts no longer.
  b[1]->SetAsked(kBegin);
  EXPECT_EQ(slots.IdleFor("d", kBegin), nullptr);
}

TEST(ConnectionSlots, WhoHasMoreTakesNoneOfWhoHasLessThatHasNeverAsked) {
  ConnectionSlots slots(100);
  const Slots a = Take(slots, "a", 1), b = Take(slots, "b", 2), c = Use(slots, "c", 3);
  EXPECT_EQ(slots.IdleFor("a", kBegin), a[0].get());
  EXPECT_EQ(slots.IdleFor("b", kBegin), b[0].get());
  EXPECT_EQ(slots.IdleFor("c", kBegin), nullptr);
}

TEST(ConnectionSlots, WhatIsUsedGivesWayToNobody) {
  ConnectionSlots slots(100);
  const Slots a = Use(slots, "a", 3);
  EXPECT_EQ(slots.IdleFor("b", kLater - milliseconds(1)), nullptr);
  EXPECT_EQ(slots.IdleFor("b", kLater), a[0].get());
  for (const auto& slot : a) slot->SetBusy();
  EXPECT_EQ(slots.IdleFor("b", kLater), nullptr);
  for (const auto& slot : a) slot->SetIdle(kBegin + milliseconds(1));
  EXPECT_EQ(slots.IdleFor("b", kLater), nullptr);
}

TEST(ConnectionSlots, OfWhatHasBeenIdleForLongTheOldestOfWhoHasMostGivesWay) {
  ConnectionSlots slots(100);
  const Slots b = Use(slots, "b", 2), a = Use(slots, "a", 3);
  EXPECT_EQ(slots.IdleFor("c", kLater), a[0].get());
  a[0]->SetIdle(kBegin + milliseconds(1));  // A body goes on, say.
  EXPECT_EQ(slots.IdleFor("c", kLater), a[1].get());
  for (const auto& slot : a) slot->SetBusy();
  EXPECT_EQ(slots.IdleFor("c", kLater), b[0].get());
}

TEST(ConnectionSlots, WhoHasMoreTakesNothingOfWhoHasLess) {
  ConnectionSlots slots(100);
  const Slots a = Use(slots, "a", 3), b = Use(slots, "b", 2);
  EXPECT_EQ(slots.IdleFor("a", kLater), a[0].get());
  for (const auto& slot : a) slot->SetBusy();
  EXPECT_EQ(slots.IdleFor("a", kLater), nullptr);
  EXPECT_EQ(slots.IdleFor("b", kLater), b[0].get());
}

TEST(ConnectionSlots, AnEighthMayStayUntilItHasBeenTold) {
  ConnectionSlots slots(16);
  Slots a = Take(slots, "a", 16), b;
  a[0]->Leave();
  a[0]->Leave();  // It is one.
  EXPECT_TRUE(slots.may_tell());
  EXPECT_TRUE(slots.Admits("a")) << "it has no place any more";
  a[1]->Leave();
  EXPECT_FALSE(slots.may_tell());
  a[2]->Release();  // Closed at once.
  a.erase(a.begin() + 2);
  EXPECT_FALSE(slots.may_tell());
  a.erase(a.begin());
  EXPECT_TRUE(slots.may_tell());
}

TEST(ConnectionSlots, ThereIsRoomWhereSomebodyNeverAskedOrIsIdleForLong) {
  ConnectionSlots slots(2);
  auto a = Take(slots, "a", 2);
  EXPECT_TRUE(slots.has_room(kBegin));
  a[0]->SetBusy();
  a[1]->SetBusy();
  EXPECT_FALSE(slots.has_room(kLater));
  a[1]->SetIdle(kBegin);
  EXPECT_TRUE(slots.has_room(kBegin));
  a[1]->SetAsked(kBegin);
  EXPECT_FALSE(slots.has_room(kBegin));
  EXPECT_TRUE(slots.has_room(kLater));
  a[1]->SetBusy();
  a.pop_back();
  EXPECT_TRUE(slots.has_room(kBegin));
  EXPECT_TRUE(slots.Admits("a"));
}

}  // namespace
}  // namespace akin::server

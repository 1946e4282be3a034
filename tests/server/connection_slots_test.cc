#include "server/http/connection_slots.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace akin::server {
namespace {

using Slot = ConnectionSlots::Slot;
using Slots = std::vector<std::unique_ptr<Slot>>;

// As many as are admitted, `most` at most.
Slots Take(ConnectionSlots& slots, const std::string& client, size_t most) {
  Slots taken;
  while (taken.size() < most && slots.Admits(client))
    taken.push_back(std::make_unique<Slot>(slots, client));
  return taken;
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

TEST(ConnectionSlots, TheLongestIdleOneOfWhoHasMostGivesWay) {
  ConnectionSlots slots(100);
  const Slots a = Take(slots, "a", 3), b = Take(slots, "b", 2);
  EXPECT_EQ(slots.IdleFor("c"), a[0].get());
  a[0]->SetBusy();
  EXPECT_EQ(slots.IdleFor("c"), a[1].get());
  a[0]->SetIdle();
  a[1]->SetIdle();
  EXPECT_EQ(slots.IdleFor("c"), a[2].get());
  for (const auto& slot : a) slot->SetBusy();
  EXPECT_EQ(slots.IdleFor("c"), b[0].get());
  b[0]->Release();
  EXPECT_EQ(slots.IdleFor("c"), b[1].get());
  b[0]->SetIdle();  // It counts no longer.
  b[1]->SetBusy();
  EXPECT_EQ(slots.IdleFor("c"), nullptr);
}

TEST(ConnectionSlots, WhoHasMoreTakesNothingOfWhoHasLess) {
  ConnectionSlots slots(100);
  const Slots a = Take(slots, "a", 3), b = Take(slots, "b", 2);
  EXPECT_EQ(slots.IdleFor("a"), a[0].get());
  for (const auto& slot : a) slot->SetBusy();
  EXPECT_EQ(slots.IdleFor("a"), nullptr);
  EXPECT_EQ(slots.IdleFor("b"), b[0].get());
}

TEST(ConnectionSlots, ThereIsRoomWhereSomebodyIsIdle) {
  ConnectionSlots slots(2);
  auto a = Take(slots, "a", 2);
  EXPECT_TRUE(slots.has_room());
  a[0]->SetBusy();
  a[1]->SetBusy();
  EXPECT_FALSE(slots.has_room());
  a[1]->SetIdle();
  EXPECT_TRUE(slots.has_room());
  a[1]->SetBusy();
  a.pop_back();
  EXPECT_TRUE(slots.has_room());
  EXPECT_TRUE(slots.Admits("a"));
}

}  // namespace
}  // namespace akin::server

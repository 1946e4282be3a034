#include "server/budgets/kept_room.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

using std::chrono::seconds;

constexpr size_t kKiB = 1 << 10;
constexpr KeptRoom::TimePoint kNow{seconds(1000)};

// 800 KiB, of which a client may have 100 with what is kept for it.
class KeptRooms : public testing::Test {
 protected:
  void Offer(const std::string& client, size_t kib, int waited_seconds) {
    kept_.Offer(client, kib * kKiB, kNow - seconds(waited_seconds), kNow);
  }
  std::string Client() const { return kept_.client() == nullptr ? "" : *kept_.client(); }

  MessageBudget budget_{800 * kKiB};
  KeptRoom kept_{budget_};
};

TEST_F(KeptRooms, OfThoseThatHaveWaitedForLongWhoHoldsLeastIsDue) {
  MessageBudget::Share more(budget_, "more"), less(budget_, "less");
  ASSERT_TRUE(more.GrowTo(20 * kKiB) && less.GrowTo(10 * kKiB));
  Offer("new", 10, 1);
  EXPECT_EQ(Client(), "");
  EXPECT_EQ(kept_.MostFor("new"), SIZE_MAX);
  Offer("more", 10, 9);
  EXPECT_EQ(Client(), "more");
  Offer("less", 50, 2);
  EXPECT_EQ(Client(), "less");
  Offer("first", 50, 3);
  Offer("second", 50, 2);
  EXPECT_EQ(Client(), "first");
  Offer("small", 49, 2);
  EXPECT_EQ(Client(), "small");
  kept_.KeepForNobody();
  EXPECT_EQ(Client(), "");
}

TEST_F(KeptRooms, OnlyLittleIsTakenWhileOneIsDueAndNothingOnceThereIsEnough) {
  MessageBudget::Share most(budget_, "most"), much(budget_, "much"), little(budget_, "little");
  ASSERT_TRUE(most.GrowTo(400 * kKiB) && much.GrowTo(200 * kKiB) && little.GrowTo(6 * kKiB));
  Offer("due", 100, 2);
  ASSERT_EQ(Client(), "due");
  EXPECT_EQ(kept_.MostFor("due"), SIZE_MAX);
  EXPECT_EQ(kept_.MostFor("new"), 100 * kKiB / 8);
  EXPECT_EQ(kept_.MostFor("little"), 100 * kKiB / 8 - 6 * kKiB);
  EXPECT_EQ(kept_.MostFor("most"), 0U);
  much.ShrinkTo(194 * kKiB);
  EXPECT_EQ(kept_.MostFor("new"), 0U);
  EXPECT_EQ(kept_.MostFor("due"), SIZE_MAX);
}

TEST_F(KeptRooms, WhoWantsMoreThanAnEighthHoldsUpNobody) {
  MessageBudget::Share share(budget_, "a");
  ASSERT_TRUE(share.GrowTo(60 * kKiB));
  Offer("a", 41, 9);
  Offer("b", 101, 9);
  EXPECT_EQ(Client(), "");
  Offer("a", 40, 9);
  EXPECT_EQ(Client(), "a");
}

TEST_F(KeptRooms, NoMoreEndsForItThanItNeedsAndNobodyWhoHasLess) {
  MessageBudget::Share most(budget_, "most"), much(budget_, "much"), own(budget_, "own"),
      little(budget_, "little");
  ASSERT_TRUE(most.GrowTo(400 * kKiB) && much.GrowTo(200 * kKiB) && own.GrowTo(20 * kKiB) &&
              little.GrowTo(10 * kKiB));
  EXPECT_FALSE(kept_.NeedsMoreOf("most"));
  Offer("own", 80, 2);  // 190 KiB are free of others' 610; it needs twice 100.
  for (const char* holder : {"most", "much", "own"}) EXPECT_TRUE(kept_.NeedsMoreOf(holder));
  EXPECT_FALSE(kept_.NeedsMoreOf("little"));
  kept_.Ending(9 * kKiB);
  EXPECT_TRUE(kept_.NeedsMoreOf("most"));
  kept_.Ending(1 * kKiB);
  EXPECT_FALSE(kept_.NeedsMoreOf("most"));
  kept_.Ended(10 * kKiB);
  EXPECT_TRUE(kept_.NeedsMoreOf("most"));
  much.ShrinkTo(190 * kKiB);
  EXPECT_FALSE(kept_.NeedsMoreOf("most"));
}

}  // namespace
}  // namespace akin::server

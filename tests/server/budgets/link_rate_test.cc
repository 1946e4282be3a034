#include "server/budgets/link_rate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "server/budgets/sweep_limit.h"

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kSilence = seconds(60);
constexpr size_t kLeast = LeastRate::kAlways.bytes_per_second;
// Who waits for room has it before he is refused.
static_assert(Link::kMostShut + LeastRate::kInRoom.grace < kWaitingTime);

// Bodies that begin together, and are swept five times a second.
class LinkRates : public testing::Test {
 protected:
  explicit LinkRates(size_t count = 100)
      : bodies_(count, LinkRate(LeastRate::kAlways, kSilence, link_, now_)) {}

  // -> how many are too slow.
  size_t Sweep() {
    return std::ranges::count_if(bodies_, [this](LinkRate& each) { return each.IsTooSlow(now_); });
  }
  // So much each second; of each body's own something, in turn, where `in_turns`.
  size_t Send(seconds time, size_t bytes_per_second, bool in_turns = true) {
    size_t most = 0;
    for (const auto end = now_ + time; now_ < end;) {
      now_ += milliseconds(200);
      link_.Arrived(bytes_per_second / 5);
      if (in_turns) bodies_[next_++ % bodies_.size()].Arrived(bytes_per_second / 5, now_);
      most = std::max(most, Sweep());
    }
    return most;
  }

  LinkRate::TimePoint now_{seconds(1000)};
  Link link_;
  std::vector<LinkRate> bodies_;
  size_t next_ = 0;
};

TEST_F(LinkRates, WhatComesOfOneKeepsAllFromBeingLate) {
  EXPECT_EQ(Send(seconds(600), 2 * kLeast), 0U) << "20 bytes a second of each";
  link_.SetState(Link::State::kOpen, now_);
  EXPECT_EQ(Send(seconds(9), 0), 0U);
  EXPECT_EQ(Send(seconds(2), 0), 100U) << "the link is silent";
}

TEST_F(LinkRates, WhoHasNotBegunIsNotLateWhileOthersCome) {
  EXPECT_EQ(Send(seconds(59), size_t{128} << 10, false), 0U);
}

TEST_F(LinkRates, ALinkThatIsTooSlowIsTooSlowForAll) {
  EXPECT_EQ(Send(seconds(18), kLeast / 2), 0U);
  EXPECT_EQ(Send(seconds(4), kLeast / 2), 100U);
}

TEST_F(LinkRates, WhoseOwnBytesNeverComeEndsWhateverElseDoes) {
  const auto begin = now_;
  while (now_ - begin < seconds(59)) {
    EXPECT_EQ(Send(seconds(1), size_t{1} << 20, false), 0U);
    bodies_[7].Arrived(20, now_);
  }
  EXPECT_EQ(Send(seconds(2), size_t{1} << 20, false), 99U);
  EXPECT_FALSE(bodies_[7].IsTooSlow(now_));
}

// The link brings 100 KiB a second.
TEST_F(LinkRates, AByteNowAndThenKeepsNothingOpenForEver) {
  size_t num_late = 0;
  seconds late_after{};
  for (seconds time{0}; time < 2 * kSilence && num_late == 0; time += seconds(1)) {
    num_late = Send(seconds(1), 100 * kLeast, false);
    late_after = time;
    for (size_t i = 0; i < 50; ++i) bodies_[i].Arrived(1, now_);
    for (size_t i = 50; i < 100; ++i) bodies_[i].Arrived(kLeast / 100, now_);
  }
  EXPECT_EQ(num_late, 50U);
  // They bring a tenth.
  EXPECT_GE(late_after, kSilence * 10 / 9 - seconds(1));
  EXPECT_LE(late_after, kSilence * 10 / 9 + seconds(1));
  for (size_t i = 0; i < 50; ++i) EXPECT_TRUE(bodies_[i].IsTooSlow(now_)) << i;
}

TEST_F(LinkRates, AnEvenPartOfTheLeastThatTheLinkBringsIsEnoughForEver) {
  for (seconds time{0}; time < 10 * kSilence; time += seconds(1)) {
    EXPECT_EQ(Send(seconds(1), kLeast, false), 0U);
    for (LinkRate& body : bodies_) body.Arrived(kLeast / 100, now_);
  }
}

TEST_F(LinkRates, ASilenceShorterThanTheGraceIsTheGrace) {
  LinkRate body(LeastRate::kAlways, seconds(1), link_, now_);
  link_.Arrived(100'000);
  EXPECT_FALSE(body.IsTooSlow(now_ + milliseconds(9'999)));
  EXPECT_TRUE(body.IsTooSlow(now_ + seconds(10)));
}

TEST_F(LinkRates, WhatCameBeforeItBeganPaysForNothing) {
  Send(seconds(1), size_t{1} << 20);
  LinkRate late(LeastRate::kAlways, kSilence, link_, now_);
  EXPECT_FALSE(late.IsTooSlow(now_ + milliseconds(9'999)));
  EXPECT_TRUE(late.IsTooSlow(now_ + seconds(10)));
}

TEST_F(LinkRates, TimeInWhichNothingCouldComeIsForgiven) {
  for (const auto state : {Link::State::kShut, Link::State::kUnread}) {
    Send(seconds(1), 20 * kLeast);
    link_.SetState(state, now_);
    for (int i = 0; i < 100; ++i) {
      now_ += seconds(1);
      link_.SetState(state, now_);
      EXPECT_EQ(Sweep(), 0U);
    }
    link_.SetState(Link::State::kOpen, now_);
    EXPECT_EQ(Send(seconds(9), 0), 0U);
  }
  EXPECT_EQ(Send(seconds(2), 0), 100U);
}

TEST_F(LinkRates, TimeInWhichTheLoopWasHeldUpIsForgivenOnce) {
  const auto hold_up = [this] {
    now_ += seconds(20);
    link_.HeldUp(seconds(20), now_);
  };
  hold_up();
  EXPECT_EQ(link_.shut_time(), seconds(20));
  EXPECT_EQ(link_.unread_time(), seconds(20));
  EXPECT_EQ(Send(seconds(9), 0), 0U);
  EXPECT_EQ(Send(seconds(2), 0), 100U);
  link_.SetState(Link::State::kUnread, now_);
  hold_up();
  link_.SetState(Link::State::kShut, now_);
  EXPECT_EQ(link_.shut_time(), seconds(40));
  EXPECT_EQ(link_.unread_time(), seconds(40));
  hold_up();
  link_.SetState(Link::State::kOpen, now_);
  EXPECT_EQ(link_.shut_time(), seconds(60));
  EXPECT_EQ(link_.unread_time(), seconds(60));
}

// For who has room that others wait for.
TEST_F(LinkRates, AWindowThatIsHeldShutIsNoExcuseForEver) {
  const auto stay = [this](Link::State state, seconds time) {
    link_.SetState(state, now_);
    const auto before = link_.shut_time();
    for (const auto end = now_ + time; now_ < end;) {
      now_ += milliseconds(200);
      link_.SetState(state, now_);
    }
    return link_.shut_time() - before;
  };
  EXPECT_EQ(stay(Link::State::kShut, seconds(3)), seconds(3));
  EXPECT_EQ(stay(Link::State::kShut, seconds(600)), seconds(1));
  // Held up it is excused all the same, and for that alone.
  now_ += seconds(20);
  link_.HeldUp(seconds(20), now_);
  EXPECT_EQ(link_.shut_time(), seconds(24));
  EXPECT_EQ(stay(Link::State::kShut, seconds(5)), seconds(0));
  // Nor by opening it for a moment.
  for (int i = 0; i < 10; ++i) {
    stay(Link::State::kOpen, seconds(1));
    EXPECT_EQ(stay(Link::State::kShut, seconds(9)), seconds(1)) << i;
  }
  stay(Link::State::kUnread, seconds(600));
  EXPECT_EQ(stay(Link::State::kShut, seconds(600)), Link::kMostShut);
  EXPECT_GT(link_.unread_time(), seconds(1800)) << "of a body at any time it counts in full";
}

TEST_F(LinkRates, AHoldUpThatIsToldLateTakesNothingOfTheTimeThatComes) {
  link_.SetState(Link::State::kShut, now_);
  now_ += seconds(3);
  link_.SetState(Link::State::kOpen, now_);  // Read, when it went on.
  link_.HeldUp(seconds(3), now_);
  now_ += seconds(1);
  link_.SetState(Link::State::kShut, now_);
  now_ += seconds(2);
  link_.SetState(Link::State::kOpen, now_);
  EXPECT_EQ(link_.shut_time(), seconds(8));
}

TEST_F(LinkRates, WhoWaitedForUsIsForgivenThat) {
  LinkRate& body = bodies_[0];
  now_ += seconds(30);
  link_.Arrived(1);
  body.Forgive(seconds(30), now_);
  EXPECT_FALSE(body.IsTooSlow(now_ + milliseconds(9'999)));
  EXPECT_TRUE(body.IsTooSlow(now_ + seconds(11)));
}

}  // namespace
}  // namespace akin::server

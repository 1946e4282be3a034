#include "server/budgets/link_rate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace akin::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kSilence = seconds(60);
constexpr size_t kLeast = LeastRate::kAlways.bytes_per_second;

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
      if (in_turns) bodies_[next_++ % bodies_.size()].Arrived(now_);
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
    bodies_[7].Arrived(now_);
  }
  EXPECT_EQ(Send(seconds(2), size_t{1} << 20, false), 99U);
  EXPECT_FALSE(bodies_[7].IsTooSlow(now_));
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
    link_.HeldUp(seconds(20));
    now_ += seconds(20);
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

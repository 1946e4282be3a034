#include "batching/client_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace akin::batching {
namespace {

constexpr size_t kSmallTokens = 10;
constexpr size_t kMany = 1'000'000;

ClientShares Shares(const ClientShares::Amounts& most) { return {most, kSmallTokens}; }

// Takes requests of so many tokens until there is no room. -> How many there were.
size_t Fill(ClientShares& shares, const std::string& client, size_t tokens, size_t bytes = 0) {
  size_t taken = 0;
  for (; taken < 10'000 && !shares.FullFor(client, tokens, bytes); ++taken)
    (void)shares.Take(client, tokens, bytes);
  return taken;
}

TEST(ClientShares, AClientAloneMayHoldTheWholeBound) {
  ClientShares requests = Shares({.requests = 100, .tokens = kMany, .bytes = kMany});
  EXPECT_EQ(Fill(requests, "a", 20), 100u);
  EXPECT_EQ(requests.FullFor("a", 20, 0), QueueBound::kRequests);
  ClientShares tokens = Shares({.requests = kMany, .tokens = 1000, .bytes = kMany});
  EXPECT_EQ(Fill(tokens, "a", 20), 50u);
  EXPECT_EQ(tokens.FullFor("a", 1, 0), QueueBound::kTokens);
  ClientShares bytes = Shares({.requests = kMany, .tokens = kMany, .bytes = 1000});
  EXPECT_EQ(Fill(bytes, "a", 1, 10), 75u) << "three quarters";
  EXPECT_EQ(bytes.FullFor("a", 1, 1), QueueBound::kBytes);
}

TEST(ClientShares, EachNextClientGetsWhatWouldFitForAll) {
  ClientShares shares = Shares({.requests = 120, .tokens = kMany, .bytes = kMany});
  EXPECT_EQ(Fill(shares, "a", 1), 120u);
  EXPECT_EQ(Fill(shares, "b", 1), 60u);
  EXPECT_EQ(Fill(shares, "c", 1), 40u);
  EXPECT_EQ(shares.FullFor("a", 1, 0), QueueBound::kRequests);
  EXPECT_EQ(shares.all().requests, 220u);
}

TEST(ClientShares, WhatSmallClientsLeaveIsTheLargeOnes) {
  ClientShares shares = Shares({.requests = 100, .tokens = 1000, .bytes = kMany});
  for (int i = 0; i < 20; ++i) (void)shares.Take("small " + std::to_string(i), 5, 0);
  EXPECT_EQ(Fill(shares, "large", 100), 9u) << "900 beside 100";
}

TEST(ClientShares, WhoHasTooMuchGetsNoMoreUntilThatIsAnswered) {
  ClientShares shares = Shares({.requests = 6, .tokens = kMany, .bytes = kMany});
  std::vector<ClientShares::Part> parts;
  for (int i = 0; i < 6; ++i) parts.push_back(shares.Take("a", 1, 0));
  EXPECT_EQ(Fill(shares, "b", 1), 3u);
  for (int left = 6; left > 3; --left) {
    EXPECT_EQ(shares.FullFor("a", 1, 0), QueueBound::kRequests) << left;
    shares.GiveBack(parts.back());
    parts.pop_back();
  }
  EXPECT_EQ(shares.FullFor("a", 1, 0), QueueBound::kRequests) << "three each";
  shares.GiveBack(parts.back());
  EXPECT_EQ(shares.FullFor("a", 1, 0), std::nullopt);
}

TEST(ClientShares, AFirstRequestMayHaveAnySizeWhileTheOthersHoldNoMoreThanOneAloneMay) {
  ClientShares shares = Shares({.requests = 100, .tokens = 1000, .bytes = kMany});
  ASSERT_FALSE(shares.FullFor("a", 5000, 0)) << "an empty queue takes any";
  ClientShares::Part a = shares.Take("a", 900, 0);
  EXPECT_EQ(shares.FullFor("a", 900, 0), QueueBound::kTokens) << "not its first";
  ASSERT_FALSE(shares.FullFor("b", 5000, 0));
  (void)shares.Take("b", 900, 0);
  EXPECT_EQ(shares.FullFor("c", 900, 0), QueueBound::kTokens) << "the others hold 1800";
  shares.GiveBack(a);
  EXPECT_FALSE(shares.FullFor("c", 900, 0));
}

TEST(ClientShares, ASmallFirstRequestIsTakenWhoeverHoldsEverything) {
  ClientShares shares = Shares({.requests = 80, .tokens = 1000, .bytes = 1000});
  (void)shares.Take("a", 1000, 0);
  (void)shares.Take("b", 2000, 0);
  for (int i = 0; i < 10; ++i) {
    const std::string client = std::to_string(i);
    EXPECT_EQ(shares.FullFor(client, kSmallTokens + 1, 0), QueueBound::kTokens) << "not small";
    ASSERT_FALSE(shares.FullFor(client, kSmallTokens, 0));
    (void)shares.Take(client, kSmallTokens, 0);
    EXPECT_EQ(shares.FullFor(client, 1, 0), QueueBound::kTokens) << "not its first";
  }
  EXPECT_EQ(shares.FullFor("one more", 1, 0), QueueBound::kTokens) << "an eighth of 80";
}

TEST(ClientShares, AReservedPlaceIsFreeAgainWhenItsRequestHasLeft) {
  ClientShares shares = Shares({.requests = 1, .tokens = 100, .bytes = 100});
  (void)shares.Take("a", 300, 0);
  ClientShares::Part b = shares.Take("b", 1, 0);
  EXPECT_EQ(shares.FullFor("c", 1, 0), QueueBound::kRequests);
  shares.GiveBack(b);
  EXPECT_FALSE(shares.FullFor("c", 1, 0));
}

TEST(ClientShares, ARequestOfManyBytesIsNotSmall) {
  ClientShares shares = Shares({.requests = 8, .tokens = 1000, .bytes = 1000});
  (void)shares.Take("a", 1, 5000);
  EXPECT_EQ(shares.FullFor("b", 1, ClientShares::kSmallBytes + 1), QueueBound::kBytes);
  EXPECT_FALSE(shares.FullFor("b", 1, ClientShares::kSmallBytes));
}

TEST(ClientShares, TellsHowManyTokensAreComputedBeforeAClientIsServed) {
  ClientShares shares = Shares({.requests = 100, .tokens = 10'000, .bytes = kMany});
  EXPECT_EQ(shares.TokensUntilServed("a"), 0u);
  (void)shares.Take("a", 5000, 0);
  EXPECT_EQ(shares.TokensUntilServed("a"), 5000u);
  EXPECT_EQ(shares.TokensUntilServed("new"), kSmallTokens) << "in turn with one of a's";
  ClientShares::Part b = shares.Take("b", 300, 0);
  EXPECT_EQ(shares.TokensUntilServed("b"), 600u) << "as many of a meanwhile";
  EXPECT_EQ(shares.TokensUntilServed("a"), 5300u);
  shares.SetTokens(b, 100);
  EXPECT_EQ(shares.TokensUntilServed("b"), 200u);
}

TEST(ClientShares, GiantsThatAskAgainAtOnceKeepOutNobodyWhoAsksForLess) {
  constexpr size_t kMost = 100'000, kGiant = 400'000, kStep = 1000;
  ClientShares shares = Shares({.requests = 100, .tokens = kMost, .bytes = kMany});
  std::map<std::string, std::pair<ClientShares::Part, size_t>> giants;  // And what waits of each.
  size_t taken = 0, medium = 0;
  for (size_t turn = 0; turn < 2000; ++turn) {
    for (const char* giant : {"a", "b"}) {
      if (giants.contains(giant) || shares.FullFor(giant, kGiant, 0)) continue;
      giants[giant] = {shares.Take(giant, kGiant, 0), kGiant};
      ++taken;
    }
    // Comes after some seconds only, when as much has been computed.
    if (turn % 40 == 39 && !shares.FullFor("c", kMost / 3, 0)) {
      ClientShares::Part part = shares.Take("c", kMost / 3, 0);
      shares.GiveBack(part);
      ++medium;
    }
    auto& [part, left] = giants.begin()->second;
    shares.SetTokens(part, left -= kStep);
    if (left > 0) continue;
    shares.GiveBack(part);
    giants.erase(giants.begin());
  }
  EXPECT_GE(taken, 5u);
  EXPECT_GE(medium, taken - 1) << "once before each of them at least";
}

TEST(ClientShares, CountsWhatIsServedBeforeARequestOfItsPriority) {
  constexpr auto kQuery = QueuePriority::kQuery, kBulk = QueuePriority::kBulk;
  ClientShares shares = Shares({.requests = 100, .tokens = 1'000'000, .bytes = kMany});
  EXPECT_EQ(shares.TokensUntilServed("a", kQuery), 0u);
  (void)shares.Take("bulk", 700'000, 0, kBulk);
  EXPECT_EQ(shares.TokensUntilServed("new", kQuery), 0u) << "bulk begun is not counted";
  EXPECT_EQ(shares.TokensUntilServed("new", kBulk), kSmallTokens) << "in turn with one of bulk's";
  ClientShares::Part a = shares.Take("a", 7000, 0, kQuery);
  EXPECT_EQ(shares.TokensUntilServed("a", kQuery), 8000u) << "each eighth batch is bulk";
  EXPECT_EQ(shares.TokensUntilServed("bulk", kBulk), 707'000u);
  EXPECT_EQ(shares.TokensUntilServed("bulk", kQuery), 707'000u) << "its share is held by bulk";
  EXPECT_EQ(shares.TokensUntilServed("new", kBulk), 8 * kSmallTokens);
  (void)shares.Take("b", 700, 0, kQuery);
  EXPECT_EQ(shares.TokensUntilServed("b", kQuery), 1600u);
  shares.SetTokens(a, 350);
  EXPECT_EQ(shares.TokensUntilServed("b", kQuery), 1200u);
  EXPECT_EQ(shares.TokensUntilServed("bulk", kBulk), 701'050u);
  shares.GiveBack(a);
  EXPECT_EQ(shares.TokensUntilServed("b", kQuery), 800u);
}

// Whatever comes: what all hold is within the stated bounds, what is taken is the sum of what is
// held, and who holds nothing is refused nothing small while there are reserved places.
TEST(ClientShares, AllTogetherStayWithinTheStatedBounds) {
  constexpr size_t kRequests = 40, kTokens = 4000, kBytes = 2000, kLargest = 3000;
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    ClientShares shares = Shares({.requests = kRequests, .tokens = kTokens, .bytes = kBytes});
    struct Held {
      std::string client;
      ClientShares::Part part;
    };
    std::vector<Held> held;
    const size_t clients = 1 + seed % 30;
    ClientShares::Amounts most;
    for (int step = 0; step < 5000; ++step) {
      const std::string client = std::to_string(random() % clients);
      const size_t tokens = random() % (random() % 8 == 0 ? kLargest : 40);
      const size_t bytes = random() % (random() % 8 == 0 ? kLargest : 20);
      if (!shares.FullFor(client, tokens, bytes)) {
        held.push_back({client, shares.Take(client, tokens, bytes)});
      } else if (tokens <= kSmallTokens && shares.HeldBy(client).requests == 0 &&
                 shares.all().requests < kRequests / 8) {
        ADD_FAILURE() << "a small one found no room beside " << shares.all().requests;
      }
      if (random() % 4 == 0 && !held.empty()) {
        std::swap(held[random() % held.size()], held.back());
        shares.GiveBack(held.back().part);
        held.pop_back();
      }
      const ClientShares::Amounts& all = shares.all();
      ASSERT_EQ(all.requests, held.size());
      most.requests = std::max(most.requests, all.requests);
      most.tokens = std::max(most.tokens, all.tokens);
      most.bytes = std::max(most.bytes, all.bytes);
    }
    const size_t reserved = kRequests / 8;
    EXPECT_LE(most.requests, 2 * kRequests + reserved);
    EXPECT_LE(most.tokens, std::max(2 * kTokens, kTokens + kLargest) + reserved * kSmallTokens);
    EXPECT_LE(most.bytes, kBytes * 3 / 4 + kLargest + reserved * kLargest);
    for (Held& one : held) shares.GiveBack(one.part);
    EXPECT_EQ(shares.all().requests + shares.all().tokens + shares.all().bytes, 0u);
  }
}

}  // namespace
}  // namespace akin::batching

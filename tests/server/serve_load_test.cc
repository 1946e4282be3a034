// The parts of `./dev bench --serve` that decide whether a figure is one.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "serve_load/figures.h"
#include "serve_load/load_client.h"
#include "serve_load/peer.h"

namespace akin::bench {
namespace {

TEST(ServeLoad, WhatAServerHoldsMayGrowByTwoPercent) {
  EXPECT_FALSE(FindGrowth("MiB", 100, 100));
  EXPECT_FALSE(FindGrowth("MiB", 100, 101.9));
  EXPECT_FALSE(FindGrowth("MiB", 100, 80));
  EXPECT_EQ(FindGrowth("MiB", 100, 104).value(),
            "MiB: grown from 100.0 to 104.0, by 4.0 %; expected at most 2 %");
  EXPECT_TRUE(FindGrowth("threads", 5, 6));
}

TEST(ServeLoad, WhatCannotBeReadIsNothingThatDoesNotGrow) {
  EXPECT_TRUE(FindGrowth("MiB", 0, 0));
  EXPECT_TRUE(FindGrowth("MiB", 100, 0));
}

TEST(ServeLoad, EachRequestHasComeToOneThing) {
  LoadResult result{
      .sent = 21, .right = 6, .wrong = 5, .refused = 4, .other = 3, .lost = 2, .left = 1};
  EXPECT_TRUE(result.balances());
  ++result.right;
  EXPECT_FALSE(result.balances());
}

TEST(ServeLoad, APeerIsANameAndAnAddressOfThisMachine) {
  for (const char* url : {"http://127.0.0.1:8090", "http://localhost:8090/"}) {
    const Peer peer = ParsePeer(std::string("tei=") + url);
    EXPECT_EQ(peer.name, "tei");
    EXPECT_EQ(peer.port, 8090);
  }
  for (const char* wrong :
       {"http://127.0.0.1:80", "=http://127.0.0.1:80", "tei=https://127.0.0.1:80", "tei=127.0.0.1",
        "tei=http://127.0.0.1", "tei=http://127.0.0.1:", "tei=http://127.0.0.1:x",
        "tei=http://127.0.0.1:80/embed", "tei=http://127.0.0.1:66000", "tei=http://10.0.0.1:80"}) {
    EXPECT_THROW(ParsePeer(wrong), std::runtime_error) << wrong;
  }
}

Embeddings TwoVectors() { return {{1, 0, 0, 0, 0.6F, -0.8F}, 3, TextReport({3, 3}, {0, 0}, {})}; }

TEST(ServeLoad, AnAnswerIsAsGoodAsItsWorstVector) {
  EXPECT_NEAR(LeastCosine("[[1,0,0],[0,0.6,-0.8]]", TwoVectors()), 1, 1e-6);
  EXPECT_NEAR(LeastCosine("[[2e-1, 0.0, 0],\n [0,6,-8]]", TwoVectors()), 1, 1e-6) << "any length";
  EXPECT_NEAR(LeastCosine("[[1,0,0],[0,1,0]]", TwoVectors()), 0.6, 1e-6);
  EXPECT_EQ(LeastCosine("[[1,0,0],[0,0,0]]", TwoVectors()), 0) << "zeros are no vector";
}

TEST(ServeLoad, AnAnswerOfAnotherShapeIsNone) {
  for (const char* wrong : {"", "[]", "[[1,0,0]]", "[[1,0,0],[0,0.6,-0.8,1]]", "{\"error\":1}"}) {
    EXPECT_EQ(LeastCosine(wrong, TwoVectors()), -1) << wrong;
  }
}

}  // namespace
}  // namespace akin::bench

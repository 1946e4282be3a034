#include "server/http/chunked.h"

#include <gtest/gtest.h>

#include <string>

namespace akin::server {
namespace {

using State = ChunkedDecoder::State;

TEST(Chunked, GivesTheSameBodyHoweverItArrives) {
  const std::string wire = "4\r\nWiki\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n";
  for (size_t step = 1; step <= wire.size(); ++step) {
    ChunkedDecoder decoder(100);
    std::string body;
    size_t taken = 0;
    for (size_t at = 0; at < wire.size(); at += step) {
      taken += decoder.Feed(std::string_view(wire).substr(at, step), body);
    }
    EXPECT_EQ(decoder.state(), State::kDone);
    EXPECT_EQ(body, "Wiki0123456789");
    EXPECT_EQ(taken, wire.size());
  }
}

TEST(Chunked, LeavesTheNextRequestAlone) {
  ChunkedDecoder decoder(100);
  std::string body;
  EXPECT_EQ(decoder.Feed("1\r\na\r\n0\r\n\r\nGET /", body), 11u);
  EXPECT_EQ(decoder.state(), State::kDone);
}

TEST(Chunked, RefusesABodyBeforeItHasArrived) {
  ChunkedDecoder decoder(10);
  std::string body;
  decoder.Feed("b\r\n", body);
  EXPECT_EQ(decoder.state(), State::kTooLarge);
}

TEST(Chunked, WhatIsNotExactIsMalformed) {
  for (const char* wire : {"\r\n", "g\r\n", "1\na", "1 \r\na", "+1\r\na", "0x1\r\na", "1\r\nab",
                           "1\r\na\n", "000000001\r\n", "1;\na", "0\r\na\n\r\n"}) {
    ChunkedDecoder decoder(100);
    std::string body;
    decoder.Feed(wire, body);
    EXPECT_EQ(decoder.state(), State::kMalformed) << wire;
  }
}

}  // namespace
}  // namespace akin::server

// Clients of HTTP/2 that send too much of something, or anything.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "http2_session_fixture.h"

namespace akin::server {
namespace {

using std::chrono::seconds;

// What the session says of `wire` behind the preface, again and again. -> how often it was taken.
struct Flood {
  explicit Flood(const std::string& wire, int times, seconds apart = seconds(0)) {
    pair.session.Receive(kPreface, pair.now);
    for (; taken < times; ++taken) {
      if (!pair.session.Receive(wire, pair.now)) break;
      while (pair.Reply()) {
      }
      pair.now += apart;
    }
    while (pair.Reply()) {
    }
  }
  Pair pair;
  int taken = 0;
};

TEST(Http2Session, FramesThatAskForNothingEndTheConnectionWhenTheyAreTooMany) {
  const std::string update("\0\0\0\1", 4);
  const std::string priority("\0\0\0\0\1", 5);
  const std::pair<const char*, std::string> floods[] = {
      {"ping", Frame(6, 0, 0, "12345678")},
      {"ping's acknowledgement", Frame(6, 1, 0, "12345678")},
      {"settings", Frame(4, 0, 0, {})},
      {"window", Frame(8, 0, 0, update)},
      {"priority", Frame(2, 0, 1, priority)},
      {"unknown", Frame(99, 0, 0, "x")}};
  for (const auto& [name, frame] : floods) {
    std::string hundred;
    for (int i = 0; i < 100; ++i) hundred += frame;
    const Flood flood(hundred, 1000);
    EXPECT_LT(flood.taken, 101) << name;
    EXPECT_GE(flood.taken, 99) << name;
    EXPECT_EQ(flood.pair.session.excess(), "frames without data") << name;
    // The last word is GOAWAY with ENHANCE_YOUR_CALM.
    EXPECT_TRUE(flood.pair.last_said.ends_with(std::string("\0\0\0\x0b", 4))) << name;
    EXPECT_TRUE(flood.pair.session.is_over()) << name;
    // As many as an honest client's, it may go on for ever.
    EXPECT_EQ(Flood(hundred, 1000, seconds(1)).taken, 1000) << name;
  }
}

TEST(Http2Session, EmptyDataEndsTheConnectionWhenItIsTooMuch) {
  Pair pair;
  pair.session.Receive(kPreface + Frame(1, 4, 1, FieldBlock(Http2Client::Post("/"))), pair.now);
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += Frame(0, 0, 1, {});
  int taken = 0;
  while (taken < 1000 && pair.session.Receive(hundred, pair.now)) ++taken;
  EXPECT_LT(taken, 101);
  EXPECT_EQ(pair.handler.seen.at(0)->gone, 1);
}

TEST(Http2Session, DataOfPaddingOnlyEndsTheConnectionWhenItIsTooMuch) {
  for (const size_t padding : {0, 1, 255}) {
    Pair pair;
    pair.session.Receive(kPreface + Frame(1, 4, 1, FieldBlock(Http2Client::Post("/"))), pair.now);
    const std::string padded =
        std::string(1, static_cast<char>(padding)) + std::string(padding, '\0');
    std::string ten, honest;
    for (int i = 0; i < 10; ++i) ten += Frame(0, 8, 1, padded);
    for (int i = 0; i < 10; ++i)
      honest += Frame(0, 8, 1, padded[0] + std::string("x") + padded.substr(1));
    for (int i = 0; i < 2000; ++i) {
      ASSERT_TRUE(pair.session.Receive(honest, pair.now));
      pair.Reply();
    }
    int taken = 0;
    while (taken < 2000 && pair.session.Receive(ten, pair.now)) {
      ++taken;
      pair.Reply();
    }
    EXPECT_LT(taken, 1001) << padding;
    EXPECT_EQ(pair.session.excess(), "frames without data");
  }
}

// Whether it is to be read on.
bool MayGoOn(const Pair& pair) { return pair.session.meter().Pause(pair.now).count() == 0; }

TEST(Http2Session, DataOfFewBytesIsReadNoFasterThanItIsAnswered) {
  // Of 31 and 32 bytes, the second of which costs nothing, and with padding.
  for (const auto& [flags, payload, is_small] :
       {std::tuple(0, std::string("x"), true), std::tuple(0, std::string(31, 'x'), true),
        std::tuple(0, std::string(32, 'x'), false),
        std::tuple(8, std::string("\x20") + std::string(63, 'x'), true),
        std::tuple(8, std::string("\x20") + std::string(64, 'x'), false),
        std::tuple(8, std::string("\0", 1) + std::string(32, 'x'), false)}) {
    Pair pair;
    pair.session.Receive(kPreface + Frame(1, 4, 1, FieldBlock(Http2Client::Post("/"))), pair.now);
    std::string hundred;
    for (int i = 0; i < 100; ++i) hundred += Frame(0, flags, 1, payload);
    int taken = 0;
    const auto send = [&](int most) {
      for (taken = 0; taken < most && MayGoOn(pair); ++taken) {
        ASSERT_TRUE(pair.session.Receive(hundred, pair.now));
        pair.Reply();
      }
    };
    send(200);
    EXPECT_EQ(taken, is_small ? 51 : 200) << payload.size();
    if (!is_small) continue;
    EXPECT_EQ(pair.session.meter().Pause(pair.now), std::chrono::milliseconds(50));
    pair.now += std::chrono::milliseconds(49);
    EXPECT_FALSE(MayGoOn(pair));
    pair.now += std::chrono::milliseconds(1);
    EXPECT_TRUE(MayGoOn(pair)) << "slowed down, not ended";
    pair.now += seconds(1);
    send(200);
    EXPECT_EQ(taken, 21) << "2,000 a second";
  }
}

// A stream of gRPC with messages of four bytes, each in a frame of its own and answered by a piece.
TEST(Http2Session, DataOfFewBytesThatIsAnsweredIsReadOn) {
  Pair pair;
  const int32_t id = pair.client.Begin(Http2Client::Post("/"));
  pair.Talk();
  Seen& seen = *pair.handler.seen.at(0);
  seen.responder->SendHead(200, {}, false);
  for (int i = 0; i < 1000; ++i) {
    std::string wire;
    for (int k = 0; k < 100; ++k) wire += Frame(0, 0, id, "123456789");
    ASSERT_TRUE(pair.session.Receive(wire, pair.now));
    for (int k = 0; k < 100; ++k) seen.responder->SendData("vector", false, nullptr);
    pair.Talk();
    ASSERT_TRUE(MayGoOn(pair)) << i;
  }
  EXPECT_EQ(seen.body.size(), 900'000u);
}

// One frame with some bytes and one that only ends.
TEST(Http2Session, ShortRequestsAreReadOn) {
  Pair pair;
  pair.session.Receive(kPreface, pair.now);
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "x"); };
  const std::string block = FieldBlock(Http2Client::Post("/"));
  for (int32_t id = 1; id < 40'000; id += 2) {
    pair.session.Receive(Frame(1, 4, id, block) + Frame(0, 0, id, "x") + Frame(0, 1, id, {}),
                         pair.now);
    pair.Reply();
    ASSERT_TRUE(MayGoOn(pair)) << id;
  }
}

TEST(Http2Session, HeadersWithoutAnEndEndTheConnection) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{16'384}}) {
    Pair pair;
    const std::string block = FieldBlock(With(Http2Client::Post("/"), "x", std::string(100, 'v')));
    pair.session.Receive(kPreface + Frame(1, 0, 1, block), pair.now);
    EXPECT_TRUE(pair.session.meter().block_since());
    const std::string more = Frame(9, 0, 1, std::string(size, '\x90'));  // Of the static table.
    size_t bytes = 0;
    int taken = 0;
    while (taken < 1000 && pair.session.Receive(more, pair.now)) ++taken, bytes += size;
    EXPECT_LE(taken, 32);
    EXPECT_LE(bytes, FrameMeter::kMaxBlockBytes);
    EXPECT_TRUE(pair.handler.seen.empty());
  }
}

TEST(Http2Session, ATableOfHeadersThatIsNamedAgainAndAgainIsReadNoFurther) {
  Pair pair;
  pair.session.Receive(kPreface, pair.now);
  std::string block = FieldBlock(Http2Client::Post("/"));
  block += std::string("\x40\x01x\x7f", 4) + std::string("\xa1\x1e", 2) + std::string(4000, 'v');
  pair.session.Receive(Frame(1, 5, 1, block), pair.now);
  pair.session.Receive(
      Frame(1, 5, 3, FieldBlock(Http2Client::Post("/")) + std::string(16'000, '\xbe')), pair.now);
  ASSERT_EQ(pair.handler.seen.size(), 1u);
  EXPECT_EQ(pair.handler.seen[0]->head.header("x").size(), 4000u);
}

// Of a block a few bytes may name a long field again and again: it is looked at no further than to
// what no honest one has. 64 KiB are 250 MB then.
TEST(Http2Session, ALongFieldThatIsNamedAgainAndAgainIsLookedAtNoFurtherWhereverItStands) {
  const std::string fine = FieldBlock(Http2Client::Post("/"));
  // "x" with 4,000 bytes, into the table; then by its number.
  const auto bomb = [](char last) {
    return std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(3999, 'v') + last +
           std::string(10'000, '\xbe');
  };
  const auto ends_in_a_reset = [](Pair& pair, const std::string& wire) {
    pair.session.Receive(wire, pair.now);
    pair.last_said.clear();
    pair.Reply();
    // The last frame, whose code is nghttp2's to choose.
    return pair.last_said.size() >= 13 && pair.last_said.substr(pair.last_said.size() - 13, 9) ==
                                              Frame(3, 0, 1, "code").substr(0, 9);
  };
  for (const char last : {'v', '\x01'}) {
    Pair head, trailers, answered;
    for (Pair* const pair : {&head, &trailers, &answered})
      pair->session.Receive(kPreface, head.now);
    EXPECT_TRUE(ends_in_a_reset(head, Frame(1, 5, 1, fine + bomb(last)))) << last;
    EXPECT_TRUE(head.handler.seen.empty());
    for (Pair* const pair : {&trailers, &answered})
      pair->session.Receive(Frame(1, 4, 1, fine), pair->now);
    Answer(*answered.handler.seen.at(0), "before its end");
    answered.Reply();
    for (Pair* const pair : {&trailers, &answered})
      EXPECT_TRUE(ends_in_a_reset(*pair, Frame(1, 5, 1, bomb(last)))) << last;
    EXPECT_FALSE(trailers.handler.seen.at(0)->has_ended);
  }
}

TEST(Http2Session, RequestsThatAreResetEndTheConnectionWhenTheyAreTooMany) {
  Pair pair;
  pair.session.Receive(kPreface, pair.now);
  const std::string block = FieldBlock(Http2Client::Post("/"));
  const std::string cancel("\0\0\0\x08", 4);
  int taken = 0;
  for (; taken < 60'000; ++taken) {
    const int32_t id = 2 * taken + 1;
    if (!pair.session.Receive(Frame(1, 5, id, block) + Frame(3, 0, id, cancel), pair.now)) break;
  }
  EXPECT_GE(taken, 499);
  EXPECT_LT(taken, 510);
  EXPECT_EQ(pair.session.excess(), "requests that are reset");
  for (const auto& seen : pair.handler.seen) EXPECT_EQ(seen->gone, 1);
}

TEST(Http2Session, RequestsThatAClientMakesTheServerResetCountAsWell) {
  Pair pair;
  pair.session.Receive(kPreface, pair.now);
  const std::string block = FieldBlock(Http2Client::Post("/"));
  int taken = 0;
  for (; taken < 60'000; ++taken) {
    const int32_t id = 2 * taken + 1;
    // A window that is opened by too much.
    const std::string update = Frame(8, 0, id, "\x7f\xff\xff\xff");
    if (!pair.session.Receive(Frame(1, 5, id, block) + update, pair.now)) break;
    while (pair.Reply()) {
    }
    if (pair.session.is_over()) break;
  }
  EXPECT_GE(taken, 499);
  EXPECT_LT(taken, 510);
  EXPECT_EQ(pair.session.excess(), "requests that are reset");
  for (const auto& seen : pair.handler.seen) EXPECT_EQ(seen->gone, 1);
}

TEST(Http2Session, ClientsThatResetWhatTheyGetNoAnswerToInTimeMayGoOn) {
  Pair pair;
  for (int second = 0; second < 100; ++second) {
    for (int i = 0; i < 100; ++i) pair.client.Reset(pair.client.Ask(Http2Client::Post("/"), "x"));
    pair.Talk();
    pair.now += seconds(1);
  }
  EXPECT_TRUE(pair.wants_more);
}

// nghttp2 has a rate of its own, which is lower and says nothing.
TEST(Http2Session, ResetsAtTheRateThatIsAllowedMayGoOn) {
  Pair pair;
  pair.session.Receive(kPreface, pair.now);
  const std::string block = FieldBlock(Http2Client::Post("/"));
  const std::string cancel("\0\0\0\x08", 4);
  for (int i = 0; i < 5000; ++i) {
    const int32_t id = 2 * i + 1;
    ASSERT_TRUE(pair.session.Receive(Frame(1, 5, id, block) + Frame(3, 0, id, cancel), pair.now))
        << i;
    pair.Reply();
    pair.now += std::chrono::milliseconds(11);
  }
  EXPECT_EQ(pair.client.goaways, 0);
}

TEST(Http2Session, WhatIsNoHttp2EndsTheConnection) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string(100, '\0'),
        kPreface.substr(0, 24) + Frame(6, 0, 0, "12345678"),  // No settings first.
        kPreface + Frame(8, 0, 0, std::string(4, '\0')),      // A window opened by nothing,
        kPreface + Frame(8, 0, 0, std::string("\x7f\xff\xff\xff", 4)),  // by too much.
        kPreface + Frame(0, 0, 1, "x"), kPreface + Frame(5, 4, 1, std::string("\0\0\0\2", 4)),
        kPreface + Frame(1, 5, 2, FieldBlock(Http2Client::Post("/"))),  // An even stream.
        kPreface + Frame(9, 4, 1, "x"), kPreface + Frame(6, 0, 0, "1234"),
        kPreface + std::string("\xff\xff\xff\0\0\0\0\0\1", 9), kPreface + Frame(1, 5, 1, "\xff")}) {
    Pair pair;
    pair.session.Receive(bytes, pair.now);
    while (pair.Reply()) {
    }
    EXPECT_TRUE(pair.session.is_over()) << bytes.size();
    EXPECT_TRUE(pair.handler.seen.empty());
    EXPECT_NE(pair.session.malformed(), "");
    EXPECT_EQ(pair.session.num_refused(), 1);
  }
}

TEST(Http2Session, RepliesToPingsThatNobodyReadsAreFew) {
  Pair pair;
  pair.session.Receive(kPreface, pair.now);
  int pings = 0;
  while (!pair.session.is_clogged() && pings < 10'000) {
    pair.session.Receive(Frame(6, 0, 0, "12345678"), pair.now);
    ++pings;
  }
  EXPECT_LT(pings, 300);
  while (pair.Reply()) {
  }
  EXPECT_FALSE(pair.session.is_clogged());
}

// --- Anything ------------------------------------------------------------------------------------

// The bytes of an honest conversation, changed here and there: whatever comes of it, each request
// that has begun ends once, and nothing grows.
TEST(Http2Session, RandomBytesNeverConfuseIt) {
  std::mt19937 random(1);
  std::string base = kPreface;
  for (int32_t id = 1; id < 12; id += 2) {
    base += Frame(1, 4, id, FieldBlock(With(Http2Client::Post("/"), "x-a", "b")));
    base += Frame(8, 0, id, std::string("\0\0\0\5", 4)) + Frame(0, id % 4 == 1 ? 1 : 0, id, "body");
  }
  base += Frame(6, 0, 0, "12345678") + Frame(3, 0, 3, std::string("\0\0\0\x08", 4));
  size_t begun = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = base;
    for (int k = 0; k < 3; ++k) {
      const size_t at = 24 + random() % (bytes.size() - 24);
      switch (random() % 3) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes.erase(at, 1 + random() % 20); break;
        default: bytes.insert(at, 1, static_cast<char>(random()));
      }
    }
    Recorder handler;
    handler.on_end = [](Seen& seen) { Answer(seen, "x"); };
    {
      Http2Session session(handler, {.peer = "somebody", .wake = nullptr});
      for (size_t at = 0; at < bytes.size();) {
        const size_t size = 1 + random() % 200;
        session.Receive(std::string_view(bytes).substr(at, size), TimePoint{seconds(1)});
        at += size;
        std::string out;
        session.Fill(out, 1 << 16);
        if (random() % 2 != 0) session.Written();
      }
      EXPECT_LE(session.num_streams(), 100u);
    }
    begun += handler.seen.size();
    for (const auto& seen : handler.seen) ASSERT_EQ(seen->gone, 1);
  }
  EXPECT_GT(begun, 20'000u);
}

}  // namespace
}  // namespace akin::server

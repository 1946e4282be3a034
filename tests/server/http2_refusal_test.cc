// What a session refuses before anybody else sees it.
#include <gtest/gtest.h>

#include <string>

#include "http2_session_fixture.h"

namespace akin::server {
namespace {

// -> the status of the answer, or "reset N".
std::string Refused(const Fields& head, const std::string& body = {}) {
  Pair pair;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "taken"); };
  pair.session.Receive(kPreface, pair.now);
  pair.client.Take();  // Its own words are not sent.
  const bool has_body = !body.empty();
  std::string wire = Frame(1, has_body ? 4 : 5, 1, FieldBlock(head));
  if (has_body) wire += Frame(0, 1, 1, body);
  pair.session.Receive(wire, pair.now);
  std::string out;
  pair.session.Fill(out, 1 << 20);
  Http2Client reader;
  reader.Take();
  reader.Ask(Http2Client::Post("/"), "x");
  reader.Take();
  EXPECT_TRUE(reader.Give(out));
  const auto& answer = reader.answers[1];
  if (!answer.status().empty()) return answer.status();
  return answer.is_closed ? "reset " + std::to_string(answer.error) : "nothing";
}

TEST(Http2Session, WhatIsNoRequestIsRefused) {
  const Fields fine = Http2Client::Post("/");
  EXPECT_EQ(Refused(fine), "200");
  EXPECT_EQ(Refused(With(fine, "host", "localhost")), "200");
  EXPECT_EQ(Refused(With(fine, "content-length", "3"), "abc"), "200");
  const std::string malformed = "reset 1";
  // Headers that are HTTP/1.1's own, or not what HTTP/2 allows.
  for (const char* name : {"connection", "keep-alive", "proxy-connection", "transfer-encoding",
                           "upgrade", "X-Upper", ":unknown"}) {
    EXPECT_EQ(Refused(With(fine, name, "x")), malformed) << name;
  }
  // Of those and of pseudo-headers nghttp2 makes a reset; of what is no field at all we an answer.
  for (const char* name : {"x y", "x\ny", ""}) {
    EXPECT_EQ(Refused(With(fine, name, "x")), "400") << name;
  }
  EXPECT_EQ(Refused(With(fine, "te", "gzip")), malformed);
  EXPECT_EQ(Refused(With(fine, "te", "trailers")), "200");
  for (const char* value : {"a\r\nb: c", "a\nb", "a\rb", "\x01"}) {
    EXPECT_EQ(Refused(With(fine, "x-a", value)), "400") << value;
  }
  EXPECT_EQ(Refused(With(fine, "x-a", std::string("a\0b", 3))), "400");
  // Pseudo-headers missing, twice, or behind the others.
  for (const char* name : {":method", ":scheme", ":path"}) {
    EXPECT_EQ(Refused(Without(fine, name)), malformed) << name;
  }
  Fields twice = fine;
  twice.insert(twice.begin(), {":path", "/other"});
  EXPECT_EQ(Refused(twice), malformed);
  Fields late = With(Without(fine, ":path"), "x-a", "b");
  late.emplace_back(":path", "/");
  EXPECT_EQ(Refused(late), malformed);
  // What is asked for, and of whom.
  EXPECT_EQ(Refused(With(fine, ":path", "relative")), malformed);
  EXPECT_EQ(Refused(With(fine, ":path", "/a b")), malformed);
  EXPECT_EQ(Refused(With(fine, ":path", "/\x7f")), malformed);
  EXPECT_EQ(Refused(With(fine, ":scheme", "ftp")), "400");
  EXPECT_EQ(Refused(With(fine, ":authority", "user@host")), "400");
  EXPECT_EQ(Refused(With(fine, "host", "other")), "400");
  EXPECT_EQ(Refused(Without(fine, ":authority")), malformed);
  EXPECT_EQ(Refused(With(Without(fine, ":authority"), "host", "h")), "200");
  // Lengths that are none, twice, or not the body's.
  for (const char* value : {"+3", "0x3", "3, 3", "", "-3"}) {
    EXPECT_EQ(Refused(With(fine, "content-length", value), "abc"), malformed) << value;
  }
  Fields lengths = With(fine, "content-length", "3");
  lengths.emplace_back("content-length", "3");
  EXPECT_EQ(Refused(lengths, "abc"), malformed);
}

TEST(Http2Session, AnExpectationThatIsUnknownIsRefused) {
  EXPECT_EQ(Refused(With(Http2Client::Post("/"), "expect", "foo")), "417");
  EXPECT_EQ(Refused(With(Http2Client::Post("/"), "expect", "100-Continue")), "200");
}

TEST(Http2Session, WhatIsRefusedHasTheHeadersOfAllAnswers) {
  Pair pair;
  const int32_t id = pair.client.Ask(With(Http2Client::Post("/"), "x-a", std::string(16'200, 'a')));
  pair.Talk();
  std::string names;
  for (const auto& [name, value] : pair.client.answers[id].head) names += name + ' ';
  EXPECT_EQ(names, ":status server date content-type content-length ");
  EXPECT_EQ(pair.client.answers[id].body, "the headers are too long\n");
}

TEST(Http2Session, ALengthThatIsNotTheBodysDropsTheRequest) {
  for (const char* length : {"2", "4"}) {
    Pair pair;
    pair.handler.on_end = [](Seen& seen) { Answer(seen, "taken"); };
    pair.client.Ask(With(Http2Client::Post("/"), "content-length", length), "abc");
    pair.Talk();
    EXPECT_FALSE(pair.handler.seen.at(0)->has_ended) << length;
    EXPECT_EQ(pair.handler.seen[0]->gone, 1);
    EXPECT_FALSE(pair.handler.seen[0]->answered);
  }
}

TEST(Http2Session, HeadersThatAreTooLargeGetAnAnswer) {
  const Fields fine = Http2Client::Post("/");
  EXPECT_EQ(Refused(With(fine, ":path", "/" + std::string(9000, 'a'))), "414");
  EXPECT_EQ(Refused(With(fine, "x-a", std::string(16'000, 'a'))), "200");
  EXPECT_EQ(Refused(With(fine, "x-a", std::string(16'200, 'a'))), "431");
  Fields many = fine;
  for (int i = 0; i < 100; ++i) many.emplace_back("x-" + std::to_string(i), "v");
  EXPECT_EQ(Refused(many), "431");  // Beside the host.
  many.pop_back();
  EXPECT_EQ(Refused(many), "200");
}

TEST(Http2Session, MoreStreamsThanAllowedAreRefused) {
  Pair pair;
  for (int i = 0; i < 150; ++i) pair.client.Ask(Http2Client::Post("/"));
  // Its first words are said before it knows how many it may have.
  pair.Talk();
  EXPECT_EQ(pair.handler.seen.size(), 100u);
  for (const auto& seen : pair.handler.seen) Answer(*seen, "x");
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "taken"); };
  pair.Talk();
  int answered = 0, refused = 0;
  for (const auto& [id, answer] : pair.client.answers) {
    answered += answer.status() == "200";
    refused += answer.error == static_cast<uint32_t>(Http2Error::kRefusedStream);
  }
  EXPECT_EQ(answered + refused, 150);
  EXPECT_GE(answered, 100);
}

}  // namespace
}  // namespace akin::server

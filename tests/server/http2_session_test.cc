#include <gtest/gtest.h>

#include <new>
#include <random>
#include <string>
#include <vector>

#include "http2_client.h"
#include "server/http2/session.h"

namespace akin::server {
namespace {

using TimePoint = Http2Session::TimePoint;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What has happened to one request.
struct Seen {
  HttpRequest head;
  bool ends_at_once = false;
  std::string body;
  bool has_ended = false;
  int gone = 0;
  bool answered = false;
  int sweeps = 0;
  Http2Responder* responder = nullptr;  // Until it is gone.
};

// Keeps what comes, and answers what it is told to.
class Recorder final : public Http2Handler {
 public:
  std::unique_ptr<Http2StreamHandler> Begin(HttpRequest head, std::string peer, bool ends,
                                            Http2Responder& responder) override {
    EXPECT_EQ(peer, "somebody");
    seen.push_back(std::make_unique<Seen>());
    Seen& one = *seen.back();
    one.head = std::move(head);
    one.ends_at_once = ends;
    one.responder = &responder;
    if (one.head.path == "/throw") throw std::bad_alloc();
    if (one.head.path == "/null") return nullptr;
    if (ends && on_end) on_end(one);
    return std::make_unique<Handler>(*this, one);
  }

  std::vector<std::unique_ptr<Seen>> seen;
  std::function<void(Seen&)> on_end;
  bool consumes = true;

 private:
  class Handler final : public Http2StreamHandler {
   public:
    Handler(Recorder& recorder, Seen& seen) : recorder_(recorder), seen_(seen) {}
    void OnData(std::string_view bytes) override {
      if (bytes.find("throw") != bytes.npos) throw std::bad_alloc();
      seen_.body += bytes;
      if (recorder_.consumes) seen_.responder->Consume(bytes.size());
    }
    void OnEnd() override {
      EXPECT_FALSE(seen_.has_ended);
      seen_.has_ended = true;
      if (recorder_.on_end) recorder_.on_end(seen_);
    }
    void OnGone(bool answered) override {
      // As late as this it has no effect.
      seen_.responder->SendHead(200, {}, true);
      seen_.responder->Consume(1000);
      seen_.responder->Reset(Http2Error::kCancel);
      seen_.responder = nullptr;
      ++seen_.gone;
      seen_.answered = answered;
    }
    void Sweep(TimePoint) override { ++seen_.sweeps; }

   private:
    Recorder& recorder_;
    Seen& seen_;
  };
};

void Answer(Seen& seen, std::string body) {
  seen.responder->SendHead(200, {{"x-a", "b"}}, false);
  seen.responder->SendData(std::move(body), true, nullptr);
}

// A client, a session, and the wire between them.
struct Pair {
  explicit Pair(bool takes_data = true) : client(takes_data) {}

  // Both ways, as long as there is something.
  void Talk() {
    for (bool goes_on = true; goes_on;) {
      const std::string said = client.Take();
      if (!said.empty()) wants_more = session.Receive(said, now) && wants_more;
      goes_on = Reply() || !said.empty();
    }
  }
  bool Reply(size_t most = 1 << 20) {
    std::string out;
    session.Fill(out, most);
    longest_fill = std::max(longest_fill, out.size());
    const bool any = !out.empty();
    if (any) {
      last_said = out;
      EXPECT_TRUE(client.Give(out));
      session.Written();
      ++writes;
    }
    return any;
  }

  TimePoint now{seconds(1000)};
  Recorder handler;
  Http2Client client;
  int wakes = 0;
  Http2Session session{
      handler, {.peer = "somebody", .write_timeout = seconds(30), .wake = [this] { ++wakes; }}};
  bool wants_more = true;
  int writes = 0;
  size_t longest_fill = 0;
  std::string last_said;  // By the session.
};

// --- Requests and answers ------------------------------------------------------------------------

TEST(Http2Session, ARequestGoesToTheHandlerAndItsAnswerBack) {
  Pair pair;
  Fields head = Http2Client::Post("/embed?a=b");
  head.emplace_back("x-Own", "value");  // nghttp2 sends it in lower case.
  head.back().first = "x-own";
  const int32_t id = pair.client.Ask(head, "the body");
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "the answer"); };
  pair.Talk();
  ASSERT_EQ(pair.handler.seen.size(), 1u);
  const Seen& seen = *pair.handler.seen[0];
  EXPECT_EQ(seen.head.method, "POST");
  EXPECT_EQ(seen.head.path, "/embed");
  EXPECT_EQ(seen.head.query, "a=b");
  EXPECT_EQ(seen.head.header("host"), "localhost");
  EXPECT_EQ(seen.head.header("x-own"), "value");
  EXPECT_FALSE(seen.ends_at_once);
  EXPECT_EQ(seen.body, "the body");
  EXPECT_TRUE(seen.has_ended);
  EXPECT_EQ(seen.gone, 1);
  EXPECT_TRUE(seen.answered);
  const auto& answer = pair.client.answers[id];
  EXPECT_EQ(answer.head, (Fields{{":status", "200"}, {"x-a", "b"}}));
  EXPECT_EQ(answer.body, "the answer");
  EXPECT_TRUE(answer.has_ended && answer.is_closed);
  EXPECT_EQ(answer.error, 0u);
  EXPECT_EQ(pair.session.num_streams(), 0u);
}

TEST(Http2Session, ARequestWithoutABodyEndsWithItsHead) {
  Pair pair;
  pair.handler.on_end = [](Seen& seen) { seen.responder->SendHead(204, {}, true); };
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  EXPECT_TRUE(pair.handler.seen.at(0)->ends_at_once);
  EXPECT_FALSE(pair.handler.seen[0]->has_ended) << "OnEnd is not called";
  EXPECT_EQ(pair.client.answers[id].status(), "204");
  EXPECT_TRUE(pair.client.answers[id].has_ended);
}

TEST(Http2Session, AnswersEndWithTrailersWhateverIsBeforeThem) {
  for (const int chunks : {0, 1, 3}) {
    for (const bool at_once : {true, false}) {
      Pair pair;
      int sent = 0;
      const int32_t id = pair.client.Ask(Http2Client::Post("/"), "x");
      pair.Talk();
      Http2Responder& responder = *pair.handler.seen.at(0)->responder;
      responder.SendHead(200, {}, false);
      for (int i = 0; i < chunks; ++i) {
        if (!at_once) pair.Talk();
        responder.SendData("chunk", false, [&] { ++sent; });
      }
      if (!at_once) pair.Talk();
      responder.SendTrailers({{"grpc-status", "0"}});
      pair.Talk();
      const auto& answer = pair.client.answers[id];
      EXPECT_EQ(answer.trailers, (Fields{{"grpc-status", "0"}}));
      EXPECT_EQ(answer.body.size(), static_cast<size_t>(5 * chunks));
      EXPECT_EQ(sent, chunks);
      EXPECT_TRUE(answer.has_ended);
      EXPECT_TRUE(pair.handler.seen[0]->answered);
      EXPECT_EQ(pair.client.data_frames, static_cast<size_t>(at_once ? chunks != 0 : chunks));
    }
  }
}

TEST(Http2Session, TrailersNeedNoWindow) {
  Pair pair(false);
  const int32_t large = pair.client.Ask(Http2Client::Post("/"), "x");
  const int32_t refused = pair.client.Ask(Http2Client::Post("/"), "x");
  pair.Talk();
  pair.handler.seen.at(0)->responder->SendHead(200, {}, false);
  pair.handler.seen[0]->responder->SendData(std::string(65'535, 'x'), false, [] {});
  pair.Talk();  // That was the window of the stream and of the connection.
  pair.handler.seen.at(1)->responder->SendHead(200, {}, false);
  pair.handler.seen[1]->responder->SendTrailers({{"grpc-status", "8"}});
  pair.handler.seen[0]->responder->SendTrailers({{"grpc-status", "0"}});
  pair.Talk();
  EXPECT_EQ(pair.client.answers[refused].trailers, (Fields{{"grpc-status", "8"}}));
  EXPECT_EQ(pair.client.answers[large].trailers, (Fields{{"grpc-status", "0"}}));
  EXPECT_EQ(pair.client.answers[large].body.size(), 65'535U);
  EXPECT_TRUE(pair.handler.seen[0]->answered && pair.handler.seen[1]->answered);
}

TEST(Http2Session, AFieldThatIsNamedAgainAndAgainIsNotReadToTheEnd) {
  Pair pair;
  std::string block =
      FieldBlock({{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}});
  // "x" with 4,000 bytes, into the table; then by its number.
  block += std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(4000, 'v') +
           std::string(10'000, '\xbe');
  EXPECT_TRUE(pair.session.Receive(kPreface + Frame(1, 5, 1, block), pair.now));
  pair.Reply();
  EXPECT_TRUE(pair.handler.seen.empty());
  EXPECT_NE(pair.last_said.find(Frame(3, 0, 1, std::string("\0\0\0\x02", 4))), std::string::npos)
      << "the stream is reset";
}

TEST(Http2Session, EmptyChunksAreSentToo) {
  Pair pair;
  int sent = 0;
  const auto count = [&] { ++sent; };
  const int32_t first = pair.client.Ask(Http2Client::Post("/"));
  const int32_t second = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.handler.seen.at(0)->responder->SendHead(200, {}, false);
  pair.handler.seen[0]->responder->SendData("", true, count);
  pair.handler.seen.at(1)->responder->SendHead(200, {}, false);
  pair.handler.seen[1]->responder->SendData("", false, count);
  pair.handler.seen[1]->responder->SendTrailers({{"a", "b"}});
  pair.Talk();
  EXPECT_EQ(sent, 2);
  EXPECT_TRUE(pair.client.answers[first].has_ended && pair.client.answers[second].has_ended);
}

TEST(Http2Session, AnInterimAnswerIsFollowedByTheAnswer) {
  Pair pair;
  const int32_t id = pair.client.Begin(Http2Client::Post("/"));
  pair.Talk();
  pair.handler.seen.at(0)->responder->SendHead(100, {}, false);
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].status(), "100");
  pair.client.answers[id].head.clear();
  Answer(*pair.handler.seen[0], "after all");
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].status(), "200");
  EXPECT_EQ(pair.client.answers[id].body, "after all");
}

TEST(Http2Session, AnswersOfOneMomentGoOutInOneWrite) {
  Pair pair;
  for (int i = 0; i < 50; ++i) pair.client.Ask(Http2Client::Post("/"), "x");
  pair.Talk();
  pair.writes = 0;
  for (const auto& seen : pair.handler.seen) Answer(*seen, std::string(100, 'x'));
  pair.Talk();
  EXPECT_EQ(pair.writes, 1);
  for (const auto& seen : pair.handler.seen) EXPECT_TRUE(seen->answered);
}

TEST(Http2Session, AnAnswerBeforeTheBodyStopsTheBodyAfterAMoment) {
  Pair pair;
  const int32_t id = pair.client.Begin(Http2Client::Post("/"), std::string(1000, 'x'));
  const int32_t soon = pair.client.Begin(Http2Client::Post("/"), std::string(1000, 'x'));
  pair.Talk();
  for (const auto& seen : pair.handler.seen) Answer(*seen, "no");
  pair.Talk();
  const auto& answer = pair.client.answers[id];
  EXPECT_EQ(answer.body, "no");
  EXPECT_TRUE(pair.handler.seen[0]->answered);
  EXPECT_EQ(pair.session.num_streams(), 0u);
  // What still comes reaches nobody, and no more than the window of it.
  pair.client.More(id, std::string(100'000, 'x'), false);
  pair.client.More(soon, "x", true);
  pair.Talk();
  EXPECT_EQ(pair.handler.seen[0]->body.size(), 1000u);
  EXPECT_TRUE(pair.client.answers[soon].is_closed);
  EXPECT_FALSE(answer.is_closed);
  pair.session.Sweep(pair.now + milliseconds(499));
  pair.Talk();
  EXPECT_FALSE(answer.is_closed);
  pair.session.Sweep(pair.now + milliseconds(500));
  pair.Talk();
  EXPECT_TRUE(answer.is_closed);
  EXPECT_EQ(answer.error, 0u);
  EXPECT_EQ(pair.session.num_left(), 0);
  // The connection's window is whole.
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t next = pair.client.Ask(Http2Client::Post("/"), std::string(size_t{3} << 20, 'x'));
  pair.Talk();
  EXPECT_EQ(pair.client.answers[next].body, "fine");
}

TEST(Http2Session, AHandlerThatThrowsCostsItsStreamOnly) {
  Pair pair;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t at_once = pair.client.Ask(Http2Client::Post("/throw"));
  const int32_t null = pair.client.Ask(Http2Client::Post("/null"));
  const int32_t in_body = pair.client.Ask(Http2Client::Post("/"), "throw");
  const int32_t fine = pair.client.Ask(Http2Client::Post("/"), "x");
  pair.Talk();
  EXPECT_EQ(pair.client.answers[at_once].status(), "500");
  EXPECT_EQ(pair.client.answers[null].error, static_cast<uint32_t>(Http2Error::kInternalError));
  EXPECT_EQ(pair.client.answers[in_body].status(), "500");
  EXPECT_EQ(pair.client.answers[fine].body, "fine");
}

// --- Windows -------------------------------------------------------------------------------------

TEST(Http2Session, ALongBodyComesThroughAWindowThatGrows) {
  Pair pair;
  const size_t size = size_t{5} << 20;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t id = pair.client.Ask(Http2Client::Post("/"), std::string(size, 'x'));
  int rounds = 0;
  std::vector<size_t> pieces;
  for (std::string said; !(said = pair.client.Take()).empty(); ++rounds) {
    pieces.push_back(said.size());
    pair.session.Receive(said, pair.now);
    pair.Reply();
  }
  EXPECT_EQ(pair.handler.seen.at(0)->body.size(), size);
  EXPECT_EQ(pair.client.answers[id].body, "fine");
  EXPECT_LT(pieces[0], Http2Session::kWindowBytes + 2000);
  EXPECT_GT(*std::max_element(pieces.begin(), pieces.end()), Http2Session::kMaxWindowBytes / 2);
}

TEST(Http2Session, WhatNobodyConsumesStopsTheClientAndWhatEndsMakesRoomForOthers) {
  Pair pair;
  pair.handler.consumes = false;
  for (int i = 0; i < 30; ++i)
    pair.client.Ask(Http2Client::Post("/"), std::string(size_t{1} << 20, 'x'));
  pair.Talk();
  size_t bytes = 0;
  for (const auto& seen : pair.handler.seen) {
    EXPECT_LE(seen->body.size(), Http2Session::kWindowBytes);
    bytes += seen->body.size();
  }
  EXPECT_LE(bytes, Http2Session::kConnectionWindowBytes);
  EXPECT_GT(bytes, Http2Session::kConnectionWindowBytes / 2);
  // All are given up, without their bytes consumed; the connection's window is whole again.
  for (const auto& seen : pair.handler.seen)
    if (seen->responder != nullptr) seen->responder->Reset(Http2Error::kCancel);
  pair.Talk();
  pair.handler.consumes = true;
  pair.handler.on_end = [](Seen& seen) { Answer(seen, "fine"); };
  const int32_t id = pair.client.Ask(Http2Client::Post("/"), std::string(size_t{3} << 20, 'x'));
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].body, "fine");
}

TEST(Http2Session, AnswersWaitForTheClientsWindows) {
  Pair pair(false);
  bool sent = false;
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.handler.seen.at(0)->responder->SendHead(200, {}, false);
  pair.handler.seen[0]->responder->SendData(std::string(100'000, 'x'), true, [&] { sent = true; });
  pair.Talk();
  EXPECT_EQ(pair.client.answers[id].body.size(), 65'535u);
  EXPECT_FALSE(sent);
  EXPECT_EQ(pair.handler.seen[0]->gone, 0);
  pair.session.Sweep(pair.now);
  pair.session.Sweep(pair.now + milliseconds(29'999));
  pair.Talk();
  EXPECT_EQ(pair.handler.seen[0]->gone, 0);
  pair.session.Sweep(pair.now + seconds(30));
  pair.Talk();
  EXPECT_EQ(pair.handler.seen[0]->gone, 1);
  EXPECT_FALSE(pair.handler.seen[0]->answered);
  EXPECT_FALSE(sent);
  EXPECT_EQ(pair.client.answers[id].error, static_cast<uint32_t>(Http2Error::kCancel));
  EXPECT_EQ(pair.session.num_timed_out(), 1);
  EXPECT_GE(pair.handler.seen[0]->sweeps, 3);
}

TEST(Http2Session, FillGivesLittleMoreThanItIsAskedFor) {
  Pair pair;
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  Answer(*pair.handler.seen.at(0), std::string(60'000, 'x'));
  while (pair.Reply(1000)) {
  }
  EXPECT_LT(pair.longest_fill, 1000u + 16'384 + 9);
  EXPECT_EQ(pair.client.answers[id].body.size(), 60'000u);
  EXPECT_TRUE(pair.handler.seen[0]->answered);
}

TEST(Http2Session, AnAnswerCountsAsTakenWhenTheSocketHasIt) {
  Pair pair;
  bool sent = false;
  pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  Seen& seen = *pair.handler.seen.at(0);
  seen.responder->SendHead(200, {}, false);
  seen.responder->SendData("x", true, [&] { sent = true; });
  std::string out;
  pair.session.Fill(out, 1 << 20);
  EXPECT_FALSE(sent || seen.gone > 0);
  EXPECT_EQ(pair.session.num_streams(), 1u);
  pair.session.Written();
  EXPECT_TRUE(sent && seen.answered);

  pair.client.Ask(Http2Client::Post("/"));
  ASSERT_TRUE(pair.client.Give(out));
  pair.Talk();
  Answer(*pair.handler.seen.at(1), "never arrives");
  out.clear();
  pair.session.Fill(out, 1 << 20);
  pair.session.Drop();
  EXPECT_EQ(pair.handler.seen[1]->gone, 1);
  EXPECT_FALSE(pair.handler.seen[1]->answered);
}

// --- What is refused -----------------------------------------------------------------------------

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

Fields With(Fields fields, std::string name, std::string value) {
  for (auto& [old, given] : fields) {
    if (old == name && name[0] == ':') {
      given = std::move(value);
      return fields;
    }
  }
  fields.emplace_back(std::move(name), std::move(value));
  return fields;
}
Fields Without(Fields fields, const std::string& name) {
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return fields;
}

TEST(Http2Session, WhatIsNoRequestIsRefused) {
  const Fields fine = Http2Client::Post("/");
  EXPECT_EQ(Refused(fine), "200");
  EXPECT_EQ(Refused(With(fine, "host", "localhost")), "200");
  EXPECT_EQ(Refused(With(fine, "content-length", "3"), "abc"), "200");
  const std::string malformed = "reset 1";
  // Headers that are HTTP/1.1's own, or not what HTTP/2 allows.
  for (const char* name : {"connection", "keep-alive", "proxy-connection", "transfer-encoding",
                           "upgrade", "X-Upper", "x y", "x\ny", "", ":unknown"}) {
    EXPECT_EQ(Refused(With(fine, name, "x")), malformed) << name;
  }
  EXPECT_EQ(Refused(With(fine, "te", "gzip")), malformed);
  EXPECT_EQ(Refused(With(fine, "te", "trailers")), "200");
  for (const char* value : {"a\r\nb: c", "a\nb", "a\rb", "\x01"}) {
    EXPECT_EQ(Refused(With(fine, "x-a", value)), malformed) << value;
  }
  EXPECT_EQ(Refused(With(fine, "x-a", std::string("a\0b", 3))), malformed);
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

// --- Abuse ---------------------------------------------------------------------------------------

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

// --- The end -------------------------------------------------------------------------------------

TEST(Http2Session, DrainingAnswersWhatHasBegunAndWhatIsUnderWay) {
  Pair pair;
  const int32_t first = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.session.Drain();
  pair.Talk();
  EXPECT_EQ(pair.client.goaways, 1);
  EXPECT_EQ(pair.client.last_stream, INT32_MAX);
  EXPECT_EQ(pair.client.goaway_error, 0u);
  pair.session.Sweep(pair.now);
  pair.Talk();
  EXPECT_EQ(pair.client.last_stream, first);
  EXPECT_FALSE(pair.session.is_over());
  Answer(*pair.handler.seen.at(0), "in the end");
  pair.Talk();
  EXPECT_EQ(pair.client.answers[first].body, "in the end");
  EXPECT_TRUE(pair.handler.seen[0]->answered);
  EXPECT_TRUE(pair.session.is_over());
}

TEST(Http2Session, DrainingAnIdleConnectionEndsIt) {
  Pair pair;
  pair.Talk();
  pair.session.Drain();
  pair.Talk();
  EXPECT_EQ(pair.client.goaways, 1);
  EXPECT_TRUE(pair.session.is_over());
}

TEST(Http2Session, RequestsThatAreResetAreDroppedAtOnce) {
  Pair pair;
  const int32_t id = pair.client.Ask(Http2Client::Post("/"));
  pair.Talk();
  pair.client.Reset(id);
  pair.Talk();
  EXPECT_EQ(pair.handler.seen.at(0)->gone, 1);
  EXPECT_FALSE(pair.handler.seen[0]->answered);
  EXPECT_EQ(pair.session.num_left(), 1);
  EXPECT_EQ(pair.session.num_streams(), 0u);
}

TEST(Http2Session, EveryRequestIsToldItsEndOnceHoweverTheConnectionEnds) {
  Recorder handler;
  {
    Http2Session session(handler, {.peer = "somebody", .wake = nullptr});
    Http2Client client;
    for (int i = 0; i < 10; ++i) client.Ask(Http2Client::Post("/"), "x");
    session.Receive(client.Take(), TimePoint{seconds(1)});
    Answer(*handler.seen.at(0), "x");
  }
  for (const auto& seen : handler.seen) EXPECT_EQ(seen->gone, 1);
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

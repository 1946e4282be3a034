#include "server/http/head.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace akin::server {
namespace {

std::optional<size_t> EndOf(std::string_view bytes) {
  const auto found = FindHeadEnd(bytes);
  EXPECT_TRUE(std::holds_alternative<std::optional<size_t>>(found)) << bytes;
  return std::get<std::optional<size_t>>(found);
}

// The status of the refusal; 0: it is none.
int RefusedWith(std::string_view bytes) {
  const auto found = FindHeadEnd(bytes);
  if (const auto* refusal = std::get_if<Refusal>(&found)) return refusal->status;
  if (!std::get<std::optional<size_t>>(found)) return -1;
  const auto parsed = ParseHead(bytes.substr(0, *std::get<std::optional<size_t>>(found)));
  const auto* refusal = std::get_if<Refusal>(&parsed);
  return refusal == nullptr ? 0 : refusal->status;
}

TEST(Head, EndsBehindItsEmptyLine) {
  EXPECT_EQ(EndOf("GET / HTTP/1.1\r\nHost: x\r\n\r\nrest"), 27u);
  EXPECT_EQ(EndOf("GET / HTTP/1.1\r\nHost: x\r\n\r"), std::nullopt);
  EXPECT_EQ(EndOf(""), std::nullopt);
}

TEST(Head, HasMethodPathQueryAndHeaders) {
  const auto parsed = ParseHead(
      "POST /a/b?c=d HTTP/1.1\r\nHost: x\r\nContent-LENGTH:  12 \r\nX-A: one\r\nx-a: two\r\n\r\n");
  const Head& head = std::get<Head>(parsed);
  EXPECT_EQ(head.request.method, "POST");
  EXPECT_EQ(head.request.path, "/a/b");
  EXPECT_EQ(head.request.query, "c=d");
  EXPECT_EQ(head.request.header("x-a"), "one");
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.keep_alive && head.has_body());
}

TEST(Head, IsRefusedAsSoonAsAByteIsWrong) {
  EXPECT_EQ(RefusedWith("GET / HTTP/1.1\nHost"), 400) << "no end is awaited that cannot come";
  EXPECT_EQ(RefusedWith("GET / HTTP/1.1\rX"), 400);
  EXPECT_EQ(RefusedWith(std::string(9000, 'a')), 414);
}

TEST(Head, WithALengthThatCanBeReadInTwoWaysIsRefused) {
  const auto with = [](const std::string& headers) {
    return RefusedWith("POST / HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
  };
  EXPECT_EQ(with("Content-Length: 5\r\n"), 0);
  for (const char* value : {"+5", "-5", "0x5", "5, 5", "5 5", "", "5;", "\v5", "٥"}) {
    EXPECT_EQ(with(std::string("Content-Length: ") + value + "\r\n"), 400) << value;
  }
  EXPECT_EQ(with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400);
}

// Any bytes end in a head, a refusal, or a wish for more; what is accepted has one reading.
TEST(Head, RandomBytesNeverConfuseIt) {
  std::mt19937 random(1);
  const std::string base =
      "POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string alphabet = "\r\n :\tabc0-+;,\x01\xff";
  int accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = base;
    for (int k = 0; k < 3; ++k) {
      const size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0: bytes[at] = alphabet[random() % alphabet.size()]; break;
        case 1: bytes.erase(at, 1 + random() % 40); break;
        default: bytes.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
      if (bytes.empty()) bytes = "\r";
    }
    const auto found = FindHeadEnd(bytes);
    const auto* end = std::get_if<std::optional<size_t>>(&found);
    if (end == nullptr || !*end) continue;
    const auto parsed = ParseHead(std::string_view(bytes).substr(0, **end));
    if (const Head* head = std::get_if<Head>(&parsed)) {
      ++accepted;
      EXPECT_FALSE(head->chunked && head->content_length) << bytes;
      for (const HttpHeader& header : head->request.headers) {
        EXPECT_EQ(header.value.find_first_of("\r\n"), std::string::npos) << bytes;
      }
    }
  }
  EXPECT_GT(accepted, 100);
}

}  // namespace
}  // namespace akin::server

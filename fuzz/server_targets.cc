#include "fuzz/server_targets.h"

#include <string>
#include <vector>

#include "fuzz/support.h"
#include "server/http/chunked.h"
#include "server/http/head.h"
#include "server/json_reader.h"

namespace akin::fuzz {
namespace {

using server::ChunkedDecoder;
using server::Head;
using server::Refusal;

constexpr size_t kMaxBody = 1 << 16;

// Asks a body for every field that some route reads.
void ReadJson(const std::string& body) {
  const auto json = server::JsonRequest::Parse(body);
  if (!json) return;
  bool is_list = false;
  for (const char* key : {"input", "inputs", "ids", "texts", "truncate"}) {
    (void)json->TextsOrIds(key);
    (void)json->Ids(key, is_list);
    (void)json->TextsOrPairs(key, is_list);
    (void)json->StringOrStrings(key);
    (void)json->StringsOrObjects(key, "text");
    (void)json->Bool(key);
    (void)json->Int(key);
    const auto inner = json->Object(key);
    if (inner && *inner) (void)(*inner)->Strings("sentences");
  }
}

// The body behind a head, if it is all there; advances `bytes` past it.
bool TakeBody(const Head& head, std::string_view& bytes, std::string& body) {
  if (head.chunked) {
    ChunkedDecoder whole(kMaxBody), pieces(kMaxBody);
    std::string by_piece;
    const size_t taken = whole.Feed(bytes, body);
    for (size_t at = 0; at < taken; ++at) pieces.Feed(bytes.substr(at, 1), by_piece);
    Require(pieces.state() == whole.state() && by_piece == body);
    bytes.remove_prefix(taken);
    return whole.state() == ChunkedDecoder::State::kDone;
  }
  const size_t length = head.content_length.value_or(0);
  if (length > bytes.size()) return false;
  body = bytes.substr(0, length);
  bytes.remove_prefix(length);
  return true;
}

}  // namespace

void ReadRequests(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto found = server::FindHeadEnd(bytes);
    const auto* end = std::get_if<std::optional<size_t>>(&found);
    if (end == nullptr || !*end) return;
    // The end does not move with what follows it.
    const auto again = server::FindHeadEnd(bytes.substr(0, **end));
    Require(std::get<std::optional<size_t>>(again) == *end);
    const auto parsed = server::ParseHead(bytes.substr(0, **end));
    bytes.remove_prefix(**end);
    const Head* head = std::get_if<Head>(&parsed);
    if (head == nullptr) return;
    Require(!(head->chunked && head->content_length));
    for (const auto& header : head->request.headers) {
      Require(header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    }
    std::string body;
    if (!TakeBody(*head, bytes, body)) return;
    ReadJson(body);
  }
}

}  // namespace akin::fuzz

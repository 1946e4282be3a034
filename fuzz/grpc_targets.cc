#include "fuzz/grpc_targets.h"

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz/support.h"
#include "server/grpc/message_reader.h"

namespace akin::fuzz {
namespace {

using server::Encoding;
using server::GrpcCode;
using server::MessageBudget;
using server::MessageReader;

constexpr size_t kBudget = size_t{64} << 20;

struct Body {
  Encoding encoding = Encoding::kIdentity;
  size_t most_bytes = 0;
  std::string_view bytes;
};

struct Found {
  std::vector<std::string> messages;
  GrpcCode code = GrpcCode::kOk;  // Of what was refused.
  size_t rest = 0;                // Bytes of a message that is not whole.
  bool operator==(const Found&) const = default;
};

Found Read(const Body& body, size_t piece) {
  Found found;
  MessageBudget budget(kBudget);
  MessageReader reader(budget, "a", body.encoding, body.most_bytes);
  using State = MessageReader::State;
  State state = State::kMore;
  for (size_t at = 0; at < body.bytes.size() && state != State::kFailed; at += piece) {
    std::string_view part = body.bytes.substr(at, piece);
    while (!part.empty() && state != State::kFailed) {
      const size_t before = part.size();
      state = reader.Read(part);
      while (state == State::kInflating) {
        Require(reader.TakeInflateCost() <= MessageReader::kStepBytes);
        state = reader.InflateOn();
      }
      Require(reader.TakeInflateCost() <= MessageReader::kStepBytes);
      Require(part.size() < before || state == State::kFailed);
      if (state == State::kMore) Require(part.empty());
      if (state == State::kMessage) {
        found.messages.push_back(reader.Take());
        Require(found.messages.back().size() <= body.most_bytes);
        Require(reader.bytes() == 0);
      }
    }
  }
  found.code = reader.status().code;
  Require((state == State::kFailed) == (found.code != GrpcCode::kOk));
  if (found.code == GrpcCode::kOk) {
    found.rest = reader.bytes();
    if (found.rest > 0) Require(reader.CutShort().code == GrpcCode::kInvalidArgument);
  }
  reader.Clear();
  Require(budget.held_bytes() == 0);
  return found;
}

// The same, as the protocol is written down.
Found ReadPlainly(Body body) {
  Found found;
  const auto refuse = [&](GrpcCode code) {
    found.code = code;
    return found;
  };
  std::string_view& bytes = body.bytes;
  while (bytes.size() >= server::kMessagePrefixBytes) {
    size_t length = 0;
    for (size_t i = 1; i < server::kMessagePrefixBytes; ++i)
      length = 256 * length + static_cast<unsigned char>(bytes[i]);
    const auto flag = static_cast<unsigned char>(bytes[0]);
    if (flag > 1 || (flag == 1 && body.encoding == Encoding::kIdentity))
      return refuse(GrpcCode::kInvalidArgument);
    if (length > body.most_bytes) return refuse(GrpcCode::kResourceExhausted);
    if (bytes.size() - server::kMessagePrefixBytes < length) break;
    std::string message(bytes.substr(server::kMessagePrefixBytes, length));
    if (flag == 1) {
      auto inflated = server::Inflate(body.encoding, message, body.most_bytes);
      if (!inflated) return refuse(static_cast<GrpcCode>(inflated.error().code()));
      Require(inflated->size() <=
              std::max(server::kFreeInflatedBytes, server::kMaxInflateRatio * message.size()));
      message = *std::move(inflated);
    }
    found.messages.push_back(std::move(message));
    bytes.remove_prefix(server::kMessagePrefixBytes + length);
  }
  found.rest = bytes.size();
  return found;
}

}  // namespace

void ReadGrpcMessages(std::string_view bytes) {
  if (bytes.empty()) return;
  const auto how = static_cast<unsigned char>(bytes.front());
  constexpr Encoding kEncodings[] = {Encoding::kIdentity, Encoding::kDeflate, Encoding::kGzip};
  constexpr size_t kMost[] = {server::kMaxOpenMessageBytes, 100'000, server::kMaxMessageBytes};
  const Body body = {kEncodings[how % 3], kMost[how / 3 % 3], bytes.substr(1)};
  const Found whole = Read(body, std::max<size_t>(body.bytes.size(), 1));
  Require(whole == ReadPlainly(body));
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}})
    Require(Read(body, piece) == whole);
}

}  // namespace akin::fuzz

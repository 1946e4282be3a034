#include "fuzz/backend_targets.h"

#include <sys/socket.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/python/message_reader.h"
#include "backends/python/protocol.h"
#include "backends/remote/dialect.h"
#include "base/mapped_file.h"
#include "cli/bridge_request.h"
#include "fuzz/support.h"

namespace akin::fuzz {
namespace {

using backends::python::Answer;
using backends::python::Exchange;
using backends::python::MessageHandler;
using backends::python::MessageReader;

constexpr size_t kMostPayload = size_t{1}
                                << 16;  // Of a message that is kept; larger ones are dropped.

// Keeps what a channel brought. Of a message with bytes every other one is wanted, so that both
// ways are taken.
class Recorder : public MessageHandler {
 public:
  Status TakeLine(std::string_view line, size_t& num_bytes,
                  std::shared_ptr<Exchange>& receiver) override {
    Result<Answer> answer = backends::python::ReadAnswer(line, lines.empty());
    if (!answer) return answer.error();
    lines.emplace_back(line);
    num_bytes = answer->num_bytes;
    if (num_bytes == 0 || num_bytes > kMostPayload || lines.size() % 2 == 0) return {};
    receiver = std::make_shared<Exchange>();
    receiver->values.resize((num_bytes + sizeof(float) - 1) / sizeof(float));
    return {};
  }
  void TakeBytes(const std::shared_ptr<Exchange>& receiver) override {
    payloads.push_back(receiver ? std::move(receiver->values) : std::vector<float>());
  }

  std::vector<std::string> lines;
  std::vector<std::vector<float>> payloads;
};

// The channel brings `bytes`, at most `piece` of them at a time, and ends.
void ReadChannel(std::string_view bytes, size_t piece, Recorder& recorder) {
  int ends[2];
  Require(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const UniqueFd child(ends[0]), ours(ends[1]);
  MessageReader reader;
  while (!bytes.empty()) {
    const ssize_t sent =
        send(child.get(), bytes.data(), std::min(piece, bytes.size()), MSG_DONTWAIT);
    Require(sent > 0);
    bytes.remove_prefix(static_cast<size_t>(sent));
    const Result<bool> open = reader.Receive(ours.get(), recorder);
    if (!open) return;  // Not the protocol: the child is ended.
    Require(*open);
  }
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  const auto equal = [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return std::ranges::equal(a, b, equal);
}

void ReadAsChild(std::string_view bytes) {
  for (const bool loading : {false, true}) {
    const auto answer = backends::python::ReadAnswer(bytes, loading);
    if (!answer || answer->error) continue;
    Require(loading == answer->description.has_value());
    if (loading) Require(answer->description->width > 0 && answer->description->max_tokens > 0);
    if (!answer->values.empty()) Require(answer->values.size() == answer->rows * answer->width);
  }
  Recorder whole, in_pieces;
  ReadChannel(bytes, size_t{1} << 16, whole);
  ReadChannel(bytes, 29, in_pieces);
  Require(whole.lines == in_pieces.lines);
  Require(std::ranges::equal(whole.payloads, in_pieces.payloads, SameBits));
}

void ReadAsServer(std::string_view bytes) {
  for (const auto dialect : {RemoteDialect::kOpenAi, RemoteDialect::kTei}) {
    for (const size_t num_texts : {1, 2, 3}) {
      size_t width = num_texts == 3 ? 2 : 0;
      std::vector<float> values = {7};  // Of a request before this one.
      if (!backends::remote::ReadVectors(bytes, dialect, num_texts, width, values)) continue;
      Require(width > 0 && values.size() == 1 + num_texts * width && values[0] == 7);
      Require(std::ranges::all_of(values, [](float x) { return std::isfinite(x); }));
    }
  }
  (void)backends::remote::ReadReason(bytes);
}

void ReadAsDatabase(std::string_view bytes) {
  cli::BridgeRequestParser parser;
  const auto request = parser.Parse(bytes);
  if (request && request->method == cli::BridgeMethod::kEmbedBatch)
    Require(!request->texts.empty());
}

}  // namespace

void ReadBackendAnswer(std::string_view bytes) {
  ReadAsChild(bytes);
  ReadAsServer(bytes);
  ReadAsDatabase(bytes);
}

}  // namespace akin::fuzz

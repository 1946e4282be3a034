// The messages of a request's body: five bytes (whether it is compressed, how long it is, the
// highest byte first), then the message; again and again, however the bytes come.
//
//   00 00000003 'abc' 00 00000000   ->   "abc", ""
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/grpc/inflate.h"
#include "server/grpc/status.h"
#include "server/http2/message_budget.h"

namespace akin::server {

constexpr size_t kMaxMessageBytes = size_t{4} << 20;  // That a client may send, also inflated,
// and who needs no key: nobody answers for what that costs.
constexpr size_t kMaxOpenMessageBytes = size_t{4} << 10;
constexpr size_t kMessagePrefixBytes = 5;

// Of the event loop.
class MessageReader {
 public:
  enum class State { kMore, kMessage, kInflating, kFailed };

  MessageReader(MessageBudget& budget, const std::string& client, Encoding encoding,
                size_t most_bytes = kMaxMessageBytes)
      : encoding_(encoding), most_bytes_(most_bytes), share_(budget, client) {}

  // Takes from the front of `bytes` what belongs to the message that is next. kMore: all of them,
  // and it is not whole. kMessage: it can be taken. kInflating: it is whole and compressed, see
  // below.
  // kFailed, from then on: see `status`.
  State Read(std::string_view& bytes);
  // A step with a message that is inflated, of which Read makes none; nothing is read meanwhile.
  State InflateOn();
  static constexpr size_t kStepBytes = size_t{64} << 10;
  // What inflating has cost since it was last asked (Inflater::cost).
  size_t TakeInflateCost() { return std::exchange(inflate_cost_, 0); }
  // What Read has found.
  std::string Take();
  const GrpcStatus& status() const { return status_; }

  // Of the message that is being read: with its prefix; 0 between two of them.
  size_t bytes() const { return prefix_bytes_ + message_.size(); }
  // In words, of a message that ended too early.
  GrpcStatus CutShort() const;
  // Lets go of what has come. Nothing is read after it.
  void Clear();

 private:
  // Those of the prefix, however few come at once. False: not all are here.
  bool ReadPrefix(std::string_view& bytes);
  bool MakeRoom(size_t bytes);
  State Fail(GrpcCode code, std::string message);

  const Encoding encoding_;
  const size_t most_bytes_;     // Of a message, also inflated.
  MessageBudget::Share share_;  // Of message_'s capacity.
  char prefix_[kMessagePrefixBytes] = {};
  size_t prefix_bytes_ = 0;
  size_t length_ = 0;  // Of the message, once all of the prefix is here.
  std::string message_;
  std::unique_ptr<Inflater> inflater_;
  size_t inflate_cost_ = 0;
  GrpcStatus status_;
};

}  // namespace akin::server

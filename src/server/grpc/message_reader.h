// The messages of a request's body: five bytes (whether it is compressed, how long it is, the
// highest byte first), then the message; again and again, however the bytes come.
//
//   00 00000003 'abc' 00 00000000   ->   "abc", ""
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/budgets/message_budget.h"
#include "server/grpc/inflate.h"
#include "server/grpc/status.h"

namespace akin::server {

constexpr size_t kMaxMessageBytes = size_t{4} << 20;  // That a client may send, also inflated,
// and who needs no key: nobody answers for what that costs.
constexpr size_t kMaxOpenMessageBytes = size_t{4} << 10;
constexpr size_t kMessagePrefixBytes = 5;

// Whether messages that are taken are kept, and count until Release; if they are to be several, how
// many bytes they may have together, with kKeptBytes for each, and where they count before that
// much is asked for.
struct MessageKeeping {
  bool keeps = false;
  size_t most_bytes = 0;
  MessageBudget* early = nullptr;
  static constexpr size_t kKeptBytes = sizeof(std::string);
};

// Of the event loop.
//
// A message that is longer than what is free asks the budget for room once, for all of it; several
// that are kept for all there may be, which as long as they have no more than kEarlyBytes count in
// a budget of their own, if it has room, else as they come on their connection's floor, as far as
// it goes. So who has room in the budget waits for none: he gets whole, whatever others do, and
// parts of messages never wait for each other.
class MessageReader {
 public:
  enum class State { kMore, kMessage, kInflating, kNoRoom, kTooMany, kFailed };
  static constexpr size_t kEarlyBytes = size_t{16} << 10;

  MessageReader(MessageBudget& budget, const std::string& client, Encoding encoding,
                size_t most_bytes = kMaxMessageBytes, MessageKeeping keeping = {},
                MessageBudget::Floor* floor = nullptr)
      : encoding_(encoding),
        most_bytes_(most_bytes),
        keeping_(keeping),
        share_(budget, client, floor) {
    if (keeping.early != nullptr) early_.emplace(*keeping.early, client);
  }

  // Takes from the front of `bytes` what belongs to the message that is next. kMore: all of them,
  // and it is not whole. kMessage: it can be taken. kInflating: it is whole and compressed, see
  // below. kNoRoom: it may go on after TakeRoom; or now, if there is some and it
  // needs no more than `most_room`. (What fits on the connection's floor does always.)
  // kTooMany: with those that are kept it has more bytes than there may be, or one is kept and
  // there are not to be several; nothing is to be read any more. kFailed, from then on: see
  // `status`.
  State Read(std::string_view& bytes, size_t most_room = SIZE_MAX);
  // After kNoRoom: for all of the message. False: there is none, and nothing has changed.
  bool TakeRoom(size_t most = SIZE_MAX) {
    return (needed_bytes() <= most && Reserve(Besides() + length_)) || TakeFloor();
  }
  size_t needed_bytes() const { return std::max(Besides() + length_, keeping_.most_bytes); }
  // Likewise, but on the connection's floor: whoever else waits.
  bool TakeFloor() { return TakeFloor(Besides() + length_); }
  // A step with a message that is inflated, of which Read makes none; nothing is read meanwhile.
  State InflateOn();
  // Whether it gains so much that it counts; a step ends where that is found out.
  bool gains_much() const { return inflater_ != nullptr && inflater_->cost() > 0; }
  // What has been made is thrown away.
  void InflateAnew();
  static constexpr size_t kStepBytes = size_t{64} << 10;
  // What inflating has cost since it was last asked (Inflater::cost).
  size_t TakeInflateCost() { return std::exchange(inflate_cost_, 0); }
  // What Read has found. `is_last`: it is not kept, whatever `keeping` says.
  std::string Take(bool is_last = false);
  // Whether there is room to keep it, as there always is if it was not compressed.
  bool MayKeep();
  void Release();
  const GrpcStatus& status() const { return status_; }

  // Of the message that is being read: with its prefix; 0 between two of them.
  size_t bytes() const { return prefix_bytes_ + message_.size(); }
  // Whether it, or what is kept, takes room that others may wait for.
  bool has_room() const { return share_.bytes() > 0 && !share_.is_on_floor(); }
  // In words, of a message that ended too early.
  GrpcStatus CutShort() const;
  // Lets go of what has come. Nothing is read after it.
  void Clear();

 private:
  static constexpr size_t kKeptBytes = MessageKeeping::kKeptBytes;

  // Those of the prefix, however few come at once. False: not all are here.
  bool ReadPrefix(std::string_view& bytes);
  bool MakeRoom(size_t bytes, size_t most);
  // Without asking for room that others wait for.
  bool HasRoom(size_t bytes);
  bool Reserve(size_t bytes);
  bool TakeFloor(size_t bytes);
  bool are_several() const { return keeping_.most_bytes > 0; }
  // What counts beside the message.
  size_t Besides() const { return kept_bytes_ + (keeping_.keeps ? kKeptBytes : 0); }
  State Fail(GrpcCode code, std::string message);

  const Encoding encoding_;
  const size_t most_bytes_;  // Of a message, also inflated.
  const MessageKeeping keeping_;
  // Of message_'s capacity, and what is kept; `early_`: of that, too, while `share_` has nothing.
  MessageBudget::Share share_;
  std::optional<MessageBudget::Share> early_;
  char prefix_[kMessagePrefixBytes] = {};
  size_t prefix_bytes_ = 0;
  size_t length_ = 0;  // Of the message, once all of the prefix is here.
  std::string message_;
  std::unique_ptr<Inflater> inflater_;
  size_t inflate_cost_ = 0;
  size_t kept_bytes_ = 0;
  GrpcStatus status_;
};

}  // namespace akin::server

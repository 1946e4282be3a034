#include "server/grpc/message_reader.h"

#include <algorithm>
#include <utility>

#include "server/text.h"

namespace akin::server {
namespace {

// Room for a message that comes in pieces, at first; more as it comes.
constexpr size_t kFirstBytes = size_t{4} << 10;

}  // namespace

MessageReader::State MessageReader::Fail(GrpcCode code, std::string message) {
  Clear();
  status_ = {code, std::move(message)};
  return State::kFailed;
}

void MessageReader::Clear() {
  std::string().swap(message_);
  inflater_.reset();
  prefix_bytes_ = 0;
  Release();
}

bool MessageReader::ReadPrefix(std::string_view& bytes) {
  while (prefix_bytes_ < kMessagePrefixBytes && !bytes.empty()) {
    prefix_[prefix_bytes_++] = bytes.front();
    bytes.remove_prefix(1);
  }
  if (prefix_bytes_ < kMessagePrefixBytes) return false;
  length_ = 0;
  for (size_t i = 1; i < kMessagePrefixBytes; ++i)
    length_ = length_ << 8 | static_cast<unsigned char>(prefix_[i]);
  return true;
}

bool MessageReader::HasRoom(size_t bytes) {
  if (share_.Has(bytes)) return true;
  return early_ && share_.bytes() == 0 && bytes <= kEarlyBytes && early_->GrowTo(bytes);
}

bool MessageReader::Reserve(size_t bytes) {
  if (HasRoom(bytes)) return true;
  if (!share_.GrowBesideOthers(std::max(bytes, keeping_.most_bytes))) return false;
  if (early_) early_->Clear();
  return true;
}

// What there is now, also of several: who needs more later may hold it and wait.
bool MessageReader::TakeFloor(size_t bytes) {
  if (!share_.GrowOnFloor(bytes)) return false;
  if (early_) early_->Clear();
  return true;
}

bool MessageReader::MayKeep() {
  if (!keeping_.keeps) return true;
  const size_t bytes = Besides() + message_.size();
  return Reserve(bytes) || TakeFloor(bytes);
}

// For what has come, twice as much whenever it is full, while that is little; then for all of it.
bool MessageReader::MakeRoom(size_t bytes, size_t most) {
  const size_t most_early = are_several() ? kEarlyBytes : MessageBudget::kFreeBytes;
  if (Besides() + bytes <= most_early) {
    size_t room = message_.capacity();
    if (bytes > room) room = std::min(length_, std::max({bytes, 2 * room, kFirstBytes}));
    room = std::min(room, most_early - Besides());
    if (HasRoom(Besides() + room)) {
      message_.reserve(room);
      return true;
    }
  }
  const size_t counts = Besides() + length_;
  if (!HasRoom(counts) && !(needed_bytes() <= most && Reserve(counts)) && !TakeFloor(counts))
    return false;
  message_.reserve(length_);
  return true;
}

MessageReader::State MessageReader::Read(std::string_view& bytes, size_t most_room) {
  if (!status_.ok()) return State::kFailed;
  if (prefix_bytes_ < kMessagePrefixBytes) {
    if (!ReadPrefix(bytes)) return State::kMore;
    if (static_cast<unsigned char>(prefix_[0]) > 1)
      return Fail(GrpcCode::kInvalidArgument,
                  StrCat("a message begins with a byte of ", static_cast<unsigned char>(prefix_[0]),
                         ", expected 0, or 1 if it is compressed"));
    if (prefix_[0] == 1 && encoding_ == Encoding::kIdentity)
      return Fail(
          GrpcCode::kInvalidArgument,
          "a message says that it is compressed, the header `grpc-encoding` does not say how");
    // The second of those that take one would wait for room with the first.
    if (keeping_.keeps && !are_several() && kept_bytes_ > 0) return State::kTooMany;
    if (length_ > most_bytes_)
      return Fail(GrpcCode::kResourceExhausted,
                  StrCat("a message has ", length_, " bytes, at most ", most_bytes_, " are taken"));
    if (are_several() && kept_bytes_ + kKeptBytes + length_ > keeping_.most_bytes)
      return State::kTooMany;
  }
  const std::string_view piece = bytes.substr(0, length_ - message_.size());
  // What is compressed waits for its turn, what is kept for the others.
  const bool is_compressed = prefix_[0] == 1;
  const bool is_taken_at_once =
      message_.empty() && piece.size() == length_ && !is_compressed && !keeping_.keeps;
  if (!is_taken_at_once && !MakeRoom(message_.size() + piece.size(), most_room))
    return State::kNoRoom;
  bytes.remove_prefix(piece.size());
  message_.append(piece);
  if (message_.size() < length_) return State::kMore;
  return is_compressed ? State::kInflating : State::kMessage;
}

MessageReader::State MessageReader::InflateOn() {
  if (inflater_ == nullptr) {
    inflater_ = std::make_unique<Inflater>(encoding_, std::move(message_), most_bytes_);
    message_.clear();
  }
  const size_t before = inflater_->cost();
  const size_t free = inflater_->free_bytes(), made = inflater_->made();
  const size_t step = made <= free ? std::min(kStepBytes, free - made + 1) : kStepBytes;
  const Result<bool> is_whole = inflater_->Step(step);
  inflate_cost_ += inflater_->cost() - before;
  if (!is_whole) {
    const GrpcStatus status = ToGrpcStatus(is_whole.error());
    return Fail(status.code, status.message);
  }
  if (!*is_whole) return State::kInflating;
  message_ = inflater_->Take();
  inflater_.reset();
  return State::kMessage;
}

void MessageReader::InflateAnew() {
  message_ = inflater_->TakeBytes();
  inflater_.reset();
}

std::string MessageReader::Take(bool is_last) {
  std::string message = std::move(message_);
  std::string().swap(message_);
  prefix_bytes_ = 0;
  if (keeping_.keeps && !is_last) kept_bytes_ += kKeptBytes + message.size();
  if (kept_bytes_ == 0) {
    Release();
  } else if (!are_several()) {
    share_.ShrinkTo(kept_bytes_);
  }
  return message;
}

void MessageReader::Release() {
  kept_bytes_ = 0;
  share_.Clear();
  if (early_) early_->Clear();
}

GrpcStatus MessageReader::CutShort() const {
  const std::string_view of =
      prefix_bytes_ < kMessagePrefixBytes ? " bytes of its prefix" : " bytes";
  const size_t expected = prefix_bytes_ < kMessagePrefixBytes ? kMessagePrefixBytes : length_;
  const size_t found = prefix_bytes_ < kMessagePrefixBytes ? prefix_bytes_ : message_.size();
  return {GrpcCode::kInvalidArgument,
          StrCat("the request ends within a message: it has ", found, " of ", expected, of)};
}

}  // namespace akin::server

#include "server/http2/frame_meter.h"

#include <algorithm>

namespace akin::server {
namespace {

// RFC 9113, section 6.
enum FrameType : uint8_t { kData = 0, kHeaders = 1, kSettings = 4, kPing = 6, kContinuation = 9 };
constexpr uint8_t kEndStream = 0x1, kEndHeaders = 0x4, kPadded = 0x8;

constexpr std::string_view kNoData = "frames without data";

}  // namespace

std::optional<std::string_view> FrameMeter::Feed(std::string_view bytes, TimePoint now) {
  const size_t preface = std::min(preface_left_, bytes.size());
  preface_left_ -= preface;
  bytes.remove_prefix(preface);
  while (!bytes.empty()) {
    if (!in_payload_) {
      const size_t size = std::min(sizeof head_ - head_size_, bytes.size());
      std::copy_n(bytes.begin(), size, head_ + head_size_);
      head_size_ += size;
      bytes.remove_prefix(size);
      if (head_size_ < sizeof head_) break;
      head_size_ = 0;
      in_payload_ = true;
      payload_left_ = size_t{head_[0]} << 16 | size_t{head_[1]} << 8 | head_[2];
      if (const auto excess = TakeHead(now)) return excess;
    }
    if (awaits_padding_ && !bytes.empty()) {
      // The first byte of the payload says how many of the last ones are padding.
      awaits_padding_ = false;
      const size_t padding = size_t{1} + static_cast<unsigned char>(bytes.front());
      if (padding >= payload_left_ && !frames_.Take(now)) return kNoData;
      if (padding < payload_left_ && payload_left_ - padding < kSmallBytes) small_.Charge(now);
    }
    const size_t size = std::min(payload_left_, bytes.size());
    payload_left_ -= size;
    bytes.remove_prefix(size);
    if (payload_left_ == 0) TakeEnd();
  }
  return std::nullopt;
}

std::optional<std::string_view> FrameMeter::TakeHead(TimePoint now) {
  const uint8_t type = head_[3], flags = head_[4];
  if (type == kHeaders || type == kContinuation) {
    if (type == kHeaders) {
      block_bytes_ = 0;
      continuations_ = 0;
      block_since_ = now;
    } else if (++continuations_ > kMaxContinuations) {
      return "continuations of headers";
    }
    block_bytes_ += payload_left_;
    if (block_bytes_ > kMaxBlockBytes) return "bytes of headers";
  }
  if (type == kPing) ++num_pings_;
  const bool ends = type == kData && (flags & kEndStream) != 0;
  const bool has_data = type == kData && payload_left_ > 0;
  awaits_padding_ = has_data && !ends && (flags & kPadded) != 0;
  if (has_data && !ends && !awaits_padding_ && payload_left_ < kSmallBytes) small_.Charge(now);
  if (!has_data && !ends && !frames_.Take(now)) return kNoData;
  return std::nullopt;
}

void FrameMeter::TakeEnd() {
  const uint8_t type = head_[3], flags = head_[4];
  in_payload_ = false;
  if (type == kSettings) has_begun_ = true;
  if ((type == kHeaders || type == kContinuation) && (flags & kEndHeaders) != 0)
    block_since_.reset();
}

}  // namespace akin::server

#include "server/http/chunked.h"

#include <algorithm>

#include "server/text.h"

namespace akin::server {
namespace {

constexpr int kMaxSizeDigits = 8;
// Of extensions and trailers together: nobody needs them.
constexpr size_t kMaxExtraBytes = size_t{4} << 10;

}  // namespace

size_t ChunkedDecoder::Feed(std::string_view input, std::string& body) {
  size_t at = 0;
  while (at < input.size() && state_ == State::kMore) {
    if (expect_ == Expect::kData) {
      const size_t take = std::min(size_, input.size() - at);
      body.append(input.substr(at, take));
      at += take;
      size_ -= take;
      if (size_ == 0) expect_ = Expect::kDataCr;
      continue;
    }
    const char c = input[at++];
    switch (expect_) {
      case Expect::kSize:
      case Expect::kExtension: TakeSizeCharacter(c); break;
      case Expect::kSizeLf: c == '\n' ? EndSizeLine() : void(state_ = State::kMalformed); break;
      case Expect::kDataCr:
        c == '\r' ? void(expect_ = Expect::kDataLf) : void(state_ = State::kMalformed);
        break;
      case Expect::kDataLf:
        c == '\n' ? void(expect_ = Expect::kSize) : void(state_ = State::kMalformed);
        size_digits_ = 0;
        break;
      case Expect::kTrailer:
      case Expect::kTrailerLf: TakeTrailerCharacter(c); break;
      case Expect::kData: break;
    }
  }
  return at;
}

void ChunkedDecoder::TakeSizeCharacter(char c) {
  if (c == '\r' && size_digits_ > 0) {
    expect_ = Expect::kSizeLf;
    return;
  }
  if (expect_ == Expect::kExtension) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') state_ = State::kMalformed;
    if (++line_bytes_ > kMaxExtraBytes) state_ = State::kMalformed;
    return;
  }
  if (c == ';' && size_digits_ > 0) {
    expect_ = Expect::kExtension;
    return;
  }
  const int digit = HexValue(c);
  if (digit < 0 || ++size_digits_ > kMaxSizeDigits) {
    state_ = State::kMalformed;
    return;
  }
  size_ = size_ * 16 + static_cast<size_t>(digit);
}

void ChunkedDecoder::EndSizeLine() {
  body_bytes_ += size_;
  if (body_bytes_ > max_body_bytes_) {
    state_ = State::kTooLarge;
  } else {
    expect_ = size_ == 0 ? Expect::kTrailer : Expect::kData;
  }
}

void ChunkedDecoder::TakeTrailerCharacter(char c) {
  if (++line_bytes_ > kMaxExtraBytes) {
    state_ = State::kMalformed;
    return;
  }
  if (expect_ == Expect::kTrailerLf) {
    if (c != '\n') {
      state_ = State::kMalformed;
    } else if (line_is_empty_) {
      state_ = State::kDone;
    }
    line_is_empty_ = true;
    expect_ = Expect::kTrailer;
    return;
  }
  if (c == '\r') {
    expect_ = Expect::kTrailerLf;
    return;
  }
  line_is_empty_ = false;
  if (c == '\n') state_ = State::kMalformed;
}

}  // namespace akin::server

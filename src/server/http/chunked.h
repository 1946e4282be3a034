// A chunked body (RFC 9112, 7.1), decoded as it arrives: "4\r\nWiki\r\n0\r\n\r\n" is "Wiki".
// Trailers are read over. As strict as head.h: CRLF only, hexadecimal digits only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace akin::server {

class ChunkedDecoder {
 public:
  enum class State { kMore, kDone, kMalformed, kTooLarge };

  explicit ChunkedDecoder(size_t max_body_bytes) : max_body_bytes_(max_body_bytes) {}

  // Takes bytes from the front of `input` and appends what they carry to `body`. Returns how many
  // were taken: all of them, unless the body ended or is malformed.
  size_t Feed(std::string_view input, std::string& body);
  State state() const { return state_; }

 private:
  enum class Expect { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailer, kTrailerLf };

  void TakeSizeCharacter(char c);
  void TakeTrailerCharacter(char c);
  void EndSizeLine();

  State state_ = State::kMore;
  Expect expect_ = Expect::kSize;
  size_t max_body_bytes_;
  size_t size_ = 0;  // Of the chunk; what is left of it.
  size_t body_bytes_ = 0;
  int size_digits_ = 0;
  size_t line_bytes_ = 0;  // Extensions and trailers so far.
  bool line_is_empty_ = true;
};

}  // namespace akin::server

// Messages that their client has compressed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "akin/result.h"

namespace akin::server {

// Of `grpc-encoding`.
enum class Encoding { kIdentity, kDeflate, kGzip };

// All of them, as `grpc-accept-encoding` lists them.
constexpr std::string_view kEncodings = "identity, deflate, gzip";

// Empty is identity; nothing: we do not read it.
std::optional<Encoding> EncodingNamed(std::string_view name);

// How much a message may grow: what gains more than this is made to cost its reader. As Apache's
// DeflateInflateRatioLimit; deflate reaches 1032. Those of a benchmark that says one word again and
// again do, too: up to 1 MiB they may grow as they like.
constexpr size_t kMaxInflateRatio = 200;
constexpr size_t kFreeInflatedBytes = size_t{1} << 20;
// What texts gain, and more: such growth does not count (InflateBudget).
constexpr size_t kTextInflateRatio = 20;
constexpr size_t kTextInflatedBytes = size_t{4} << 10;

// A compressed message that is inflated in steps, so that whoever else waits for the thread has his
// turn between them. Holds some 40 KiB besides.
class Inflater {
 public:
  // `encoding` is not identity; `most_bytes` of what is made. May throw std::bad_alloc.
  Inflater(Encoding encoding, std::string bytes, size_t most_bytes);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Makes at most `step` bytes more, at least one -> whether it is whole, and can be taken. Errors:
  // InvalidInput (not of that form, or something behind it), Overloaded (longer than it may be, or
  // than kMaxInflateRatio lets it), Internal (no memory).
  Result<bool> Step(size_t step);
  std::string Take() { return std::move(out_); }
  size_t made() const { return out_.size(); }
  // What it was given, after which it is over.
  std::string TakeBytes() { return std::move(bytes_); }
  // What is made counts for nothing up to this,
  size_t free_bytes() const { return std::max(kTextInflatedBytes, kTextInflateRatio * size_); }
  // and so much beyond it.
  size_t cost() const { return made() - std::min(made(), free_bytes()); }

 private:
  struct Stream;
  bool is_too_long() const { return out_.size() > room_; }
  Error TooLong() const;

  const Encoding encoding_;
  std::string bytes_;
  const size_t size_;  // Of bytes_.
  const size_t most_bytes_;
  const size_t room_;  // Whichever bound is lower.
  std::unique_ptr<Stream> stream_;
  std::string out_;
};

// All of it at once. Errors: those of a step.
Result<std::string> Inflate(Encoding encoding, std::string_view bytes, size_t most_bytes);

}  // namespace akin::server

#include "server/grpc/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <utility>

#include "server/text.h"

namespace akin::server {
namespace {

// As zlib.h has it: the window's bits, 16 more for gzip's header in place of zlib's own, which is
// what gRPC calls deflate.
int WindowBits(Encoding encoding) {
  return encoding == Encoding::kGzip ? 16 + MAX_WBITS : MAX_WBITS;
}

}  // namespace

std::optional<Encoding> EncodingNamed(std::string_view name) {
  if (name.empty() || name == "identity") return Encoding::kIdentity;
  if (name == "deflate") return Encoding::kDeflate;
  if (name == "gzip") return Encoding::kGzip;
  return std::nullopt;
}

struct Inflater::Stream {
  explicit Stream(Encoding encoding) {
    if (inflateInit2(&z, WindowBits(encoding)) != Z_OK) throw std::bad_alloc();
  }
  ~Stream() { inflateEnd(&z); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  z_stream z{};  // Stays where it is: zlib points back to it.
};

Inflater::Inflater(Encoding encoding, std::string bytes, size_t most_bytes)
    : encoding_(encoding),
      bytes_(std::move(bytes)),
      size_(bytes_.size()),
      most_bytes_(most_bytes),
      room_(std::min(most_bytes, std::max(kFreeInflatedBytes, kMaxInflateRatio * bytes_.size()))),
      stream_(std::make_unique<Stream>(encoding)) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes_.data()));
  z.avail_in = static_cast<uInt>(bytes_.size());
}

Inflater::~Inflater() = default;

Error Inflater::TooLong() const {
  if (room_ == most_bytes_)
    return MakeError(ErrorCode::kOverloaded, "the message has more than ", most_bytes_,
                     " bytes when it is no longer compressed");
  return MakeError(ErrorCode::kOverloaded, "the message becomes more than ", kMaxInflateRatio,
                   " times as long when it is no longer compressed");
}

Result<bool> Inflater::Step(size_t step) {
  constexpr size_t kFirstBytes = 4096;
  const std::string_view name = encoding_ == Encoding::kGzip ? "gzip" : "deflate";
  z_stream& z = stream_->z;
  const size_t end = out_.size() + step;
  while (out_.size() < end) {
    const size_t old_size = out_.size();
    // One byte more than there may be tells what is too long from what just fits.
    const size_t size = std::min({std::max(kFirstBytes, 2 * old_size), room_ + 1, end});
    if (size > out_.capacity()) out_.reserve(std::min(std::max(size, 2 * old_size), room_ + 1));
    out_.resize(size);
    z.next_out = reinterpret_cast<Bytef*>(out_.data() + old_size);
    z.avail_out = static_cast<uInt>(out_.size() - old_size);
    const int result = inflate(&z, Z_NO_FLUSH);
    out_.resize(out_.size() - z.avail_out);
    if (is_too_long()) return TooLong();
    if (result == Z_STREAM_END) {
      if (z.avail_in > 0) return InvalidInput("the message has bytes behind the end of its ", name);
      return true;
    }
    // What has brought nothing further never will: the bytes end too early.
    const bool is_stuck = out_.size() == old_size && z.avail_in == 0;
    if (result == Z_MEM_ERROR) return MakeError(ErrorCode::kInternal, "out of memory");
    if ((result != Z_OK && result != Z_BUF_ERROR) || is_stuck)
      return InvalidInput("the message cannot be read as ", name);
  }
  return false;
}

Result<std::string> Inflate(Encoding encoding, std::string_view bytes, size_t most_bytes) {
  Inflater inflater(encoding, std::string(bytes), most_bytes);
  for (bool is_whole = false; !is_whole;) {
    AKIN_TRY_ASSIGN(is_whole, inflater.Step(kFreeInflatedBytes));
  }
  return inflater.Take();
}

}  // namespace akin::server

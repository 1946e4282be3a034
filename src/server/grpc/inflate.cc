#include "server/grpc/inflate.h"

#include <zlib.h>

#include <algorithm>

#include "server/text.h"

namespace akin::server {
namespace {

// As zlib.h has it: the window's bits, 16 more for gzip's header in place of zlib's own, which is
// what gRPC calls deflate.
int WindowBits(Encoding encoding) {
  return encoding == Encoding::kGzip ? 16 + MAX_WBITS : MAX_WBITS;
}

class Stream {
 public:
  explicit Stream(Encoding encoding) { ready_ = inflateInit2(&z_, WindowBits(encoding)) == Z_OK; }
  ~Stream() {
    if (ready_) inflateEnd(&z_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool ready() const { return ready_; }
  z_stream& operator*() { return z_; }

 private:
  z_stream z_{};
  bool ready_ = false;
};

}  // namespace

std::optional<Encoding> EncodingNamed(std::string_view name) {
  if (name.empty() || name == "identity") return Encoding::kIdentity;
  if (name == "deflate") return Encoding::kDeflate;
  if (name == "gzip") return Encoding::kGzip;
  return std::nullopt;
}

Result<std::string> Inflate(Encoding encoding, std::string_view bytes, size_t most_bytes) {
  constexpr size_t kFirstBytes = 4096;
  const std::string_view name = encoding == Encoding::kGzip ? "gzip" : "deflate";
  Stream stream(encoding);
  if (!stream.ready()) return MakeError(ErrorCode::kInternal, "zlib cannot begin");
  z_stream& z = *stream;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  while (true) {
    const size_t old_size = out.size();
    // One byte more than there may be tells what is too long from what just fits.
    out.resize(std::min(std::max(kFirstBytes, 2 * old_size), most_bytes + 1));
    z.next_out = reinterpret_cast<Bytef*>(out.data() + old_size);
    z.avail_out = static_cast<uInt>(out.size() - old_size);
    const int result = inflate(&z, Z_NO_FLUSH);
    out.resize(out.size() - z.avail_out);
    if (out.size() > most_bytes)
      return MakeError(ErrorCode::kOverloaded, "the message has more than ", most_bytes,
                       " bytes when it is no longer compressed");
    if (result == Z_STREAM_END) break;
    // What has brought nothing further never will: the bytes end too early.
    const bool is_stuck = out.size() == old_size && z.avail_in == 0;
    if (result == Z_MEM_ERROR) return MakeError(ErrorCode::kInternal, "out of memory");
    if ((result != Z_OK && result != Z_BUF_ERROR) || is_stuck)
      return InvalidInput("the message cannot be read as ", name);
  }
  if (z.avail_in > 0) return InvalidInput("the message has bytes behind the end of its ", name);
  return out;
}

}  // namespace akin::server

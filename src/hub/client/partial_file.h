// A file under way, written in segments by several connections, so that a process killed at any
// moment can be followed by one that goes on where it stopped.
//
//   <blob>.akin-part:  the bytes of the file | at the next multiple of 4096: magic, and for each
//                      segment how many of its bytes are there
//
// A count is written after its bytes, so that it is right whenever the process is killed: at most
// kCountEvery of a segment's bytes are there and not counted. When the machine itself stops, the
// disk may have kept a count and lost bytes: therefore the hash of the whole file decides in the
// end, never the counts.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "base/mapped_file.h"

namespace akin::hub {

class PartialFile {
 public:
  // Small enough that little is lost, large enough that a request is worth it.
  static constexpr int64_t kSegmentBytes = int64_t{16} << 20;
  // A count after each piece would be every second write of a pull.
  static constexpr int64_t kCountEvery = int64_t{1} << 20;

  // Opens or makes `path` for a file of `size` bytes; what is there is kept if it fits. Error:
  // ServiceUnavailable.
  static Result<PartialFile> Open(const std::string& path, int64_t size);

  int64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  size_t num_segments() const { return num_segments_; }
  int64_t Begin(size_t segment) const { return static_cast<int64_t>(segment) * kSegmentBytes; }
  int64_t End(size_t segment) const { return std::min(size_, Begin(segment) + kSegmentBytes); }
  // Bytes that are there, from the segment's begin on.
  int64_t Done(size_t segment) const { return done_[segment].load(std::memory_order_acquire); }
  int64_t DoneInAll() const;
  // Where the first missing byte at or after `from` is; all before it down to `from` are there.
  int64_t ContiguousEnd(int64_t from) const;

  // Bytes at `offset`; at most one thread writes to a segment at a time. Bytes that are there
  // already are left as they are: they may have been hashed. Error: ServiceUnavailable.
  Status Write(int64_t offset, std::string_view bytes);
  // Writes down how much of a segment is there, when nobody will write to it for a while. Error:
  // ServiceUnavailable.
  Status SaveCount(size_t segment);
  // Reads up to `bytes` of what is there. Error: ServiceUnavailable.
  Result<size_t> Read(int64_t offset, char* bytes, size_t count) const;

  // Only the file's own bytes remain, and they are on the disk.
  Status Complete();
  // All counts are 0 again.
  Status StartAnew();
  void Remove();

 private:
  PartialFile() = default;
  Status ReadCounts(int64_t file_bytes);
  int64_t CountsOffset() const;

  std::string path_;
  UniqueFd file_;
  int64_t size_ = 0;
  size_t num_segments_ = 0;
  std::unique_ptr<std::atomic<int64_t>[]> done_;
  std::vector<int64_t> saved_;  // What the file says; each by the one who writes to the segment.
};

}  // namespace akin::hub

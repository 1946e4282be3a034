#include "hub/client/partial_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "hub/client/disk.h"

namespace akin::hub {
namespace {

constexpr int64_t kPageBytes = 4096;
constexpr char kMagic[8] = {'a', 'k', 'i', 'n', 'p', 'a', 'r', '1'};

// All of `bytes`, or the error's number.
int WriteFully(int file, const char* bytes, size_t count, int64_t offset) {
  while (count > 0) {
    const ssize_t written = pwrite(file, bytes, count, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return ENOSPC;
    bytes += written;
    count -= static_cast<size_t>(written);
    offset += written;
  }
  return 0;
}

}  // namespace

int64_t PartialFile::CountsOffset() const {
  return (size_ + kPageBytes - 1) / kPageBytes * kPageBytes;
}

Result<PartialFile> PartialFile::Open(const std::string& path, int64_t size) {
  AKIN_TRY(MakeFoldersFor(path));
  PartialFile partial;
  partial.path_ = path;
  partial.size_ = size;
  partial.num_segments_ = static_cast<size_t>((size + kSegmentBytes - 1) / kSegmentBytes);
  partial.saved_.resize(partial.num_segments_);
  partial.done_ = std::make_unique<std::atomic<int64_t>[]>(partial.num_segments_);
  partial.file_ =
      UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
  struct stat status;
  if (!partial.file_ || fstat(partial.file_.get(), &status) != 0) return DiskError(path, errno);
  if (!S_ISREG(status.st_mode)) return DiskError(path, EEXIST);
  if (Status read = partial.ReadCounts(status.st_size); !read) {
    partial.Remove();  // It could not be begun: of no use to anybody.
    return std::move(read).error();
  }
  return partial;
}

// A file of exactly the right size was completed and only lacks its name; what else does not fit
// is of no use.
Status PartialFile::ReadCounts(int64_t file_bytes) {
  const int64_t counts = CountsOffset();
  const auto counts_bytes = static_cast<int64_t>(num_segments_ * sizeof(int64_t));
  if (file_bytes == size_) {
    for (size_t s = 0; s < num_segments_; ++s) done_[s] = End(s) - Begin(s);
    return {};
  }
  char magic[sizeof kMagic];
  std::vector<int64_t> found(num_segments_);
  const bool fits = file_bytes == counts + static_cast<int64_t>(sizeof kMagic) + counts_bytes &&
                    pread(file_.get(), magic, sizeof magic, counts) == sizeof magic &&
                    memcmp(magic, kMagic, sizeof magic) == 0 &&
                    pread(file_.get(), found.data(), static_cast<size_t>(counts_bytes),
                          counts + static_cast<int64_t>(sizeof kMagic)) == counts_bytes;
  if (!fits) return StartAnew();
  for (size_t s = 0; s < num_segments_; ++s)
    done_[s] = saved_[s] = found[s] < 0 || found[s] > End(s) - Begin(s) ? 0 : found[s];
  return {};
}

Status PartialFile::StartAnew() {
  for (size_t s = 0; s < num_segments_; ++s) done_[s] = saved_[s] = 0;
  if (ftruncate(file_.get(), 0) != 0) return DiskError(path_, errno);
  const std::vector<char> zeros(num_segments_ * sizeof(int64_t));
  // The counts before the magic: only with it they are read.
  int error = WriteFully(file_.get(), zeros.data(), zeros.size(),
                         CountsOffset() + static_cast<int64_t>(sizeof kMagic));
  if (error == 0) error = WriteFully(file_.get(), kMagic, sizeof kMagic, CountsOffset());
  if (error != 0) return DiskError(path_, error);
  return {};
}

int64_t PartialFile::DoneInAll() const {
  int64_t sum = 0;
  for (size_t s = 0; s < num_segments_; ++s) sum += Done(s);
  return sum;
}

int64_t PartialFile::ContiguousEnd(int64_t from) const {
  for (auto segment = static_cast<size_t>(from / kSegmentBytes); segment < num_segments_;
       ++segment) {
    const int64_t end = Begin(segment) + Done(segment);
    if (end < End(segment)) return std::max(from, end);
  }
  return size_;
}

Status PartialFile::SaveCount(size_t segment) {
  const int64_t count = Done(segment);
  if (count == saved_[segment]) return {};
  const int error =
      WriteFully(file_.get(), reinterpret_cast<const char*>(&count), sizeof count,
                 CountsOffset() + static_cast<int64_t>(sizeof kMagic + segment * sizeof count));
  if (error != 0) return DiskError(path_, error);
  saved_[segment] = count;
  return {};
}

Status PartialFile::Write(int64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto segment = static_cast<size_t>(offset / kSegmentBytes);
    const auto count = std::min(static_cast<int64_t>(bytes.size()), End(segment) - offset);
    const int64_t there = Begin(segment) + Done(segment);
    const int64_t skip = std::clamp<int64_t>(there - offset, 0, count);
    if (skip < count) {
      const int error = WriteFully(file_.get(), bytes.data() + skip,
                                   static_cast<size_t>(count - skip), offset + skip);
      if (error != 0) return DiskError(path_, error);
      const int64_t done = offset + count - Begin(segment);
      done_[segment].store(done, std::memory_order_release);
      if (done - saved_[segment] >= kCountEvery || offset + count == End(segment))
        AKIN_TRY(SaveCount(segment));
    }
    offset += count;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

Result<size_t> PartialFile::Read(int64_t offset, char* bytes, size_t count) const {
  while (true) {
    const ssize_t got = pread(file_.get(), bytes, count, offset);
    if (got > 0) return static_cast<size_t>(got);
    if (got < 0 && errno == EINTR) continue;
    return DiskError(path_, got < 0 ? errno : ENODATA);
  }
}

Status PartialFile::Complete() {
  if (ftruncate(file_.get(), size_) != 0 || fsync(file_.get()) != 0) return DiskError(path_, errno);
  return {};
}

void PartialFile::Remove() { unlink(path_.c_str()); }

}  // namespace akin::hub

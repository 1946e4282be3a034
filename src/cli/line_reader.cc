#include "cli/line_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "cli/exit_status.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

constexpr size_t kBlockBytes = size_t{256} << 10;
// At least simdjson::SIMDJSON_PADDING, which its readers check.
constexpr size_t kPaddingBytes = 128;
// Long enough for a producer that writes line by line, short enough for a person who waits.
constexpr int kIdleMs = 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Error ReadError(std::string_view name) {
  return MakeError(kInputUnreadable, name, ": reading failed: ", strerror(errno));
}

// read(2), again after an interruption. A descriptor set to non-blocking is waited for.
ssize_t ReadSome(int fd, char* out, size_t size) {
  while (true) {
    const ssize_t count = read(fd, out, size);
    if (count >= 0 || (errno != EINTR && errno != EAGAIN)) return count;
    pollfd wait = {fd, POLLIN, 0};
    if (errno == EAGAIN) poll(&wait, 1, -1);
  }
}

}  // namespace

StopSignal::StopSignal() {
  int ends[2];
  if (pipe(ends) != 0) return;  // Out of descriptors: Stop then waits for the input's next line.
  read_end_ = FileDescriptor(ends[0]);
  write_end_ = ends[1];
}

// Closing the write end makes the read end ready for ever, for any number of waiting threads.
void StopSignal::Stop() { FileDescriptor closing(write_end_.exchange(-1)); }

StopSignal::~StopSignal() { Stop(); }

LineReader::LineReader(int fd, std::string name, const StopSignal* stop)
    : fd_(fd), name_(std::move(name)), stop_(stop), buffer_(kBlockBytes + kPaddingBytes) {}

Result<LineReader::Event> LineReader::Next(std::string_view& line, bool may_idle) {
  while (true) {
    const void* found = memchr(buffer_.data() + scanned_, '\n', end_ - scanned_);
    if (found != nullptr) {
      const size_t end = static_cast<size_t>(static_cast<const char*>(found) - buffer_.data());
      line = TakeLine(end, end + 1);
      return Event::kLine;
    }
    scanned_ = end_;
    if (end_ - begin_ > kMaxLineBytes) {
      return InvalidInput(name_, ", line ", line_number_ + 1, ": longer than ", kMaxLineBytes >> 20,
                          " MiB");
    }
    AKIN_TRY_ASSIGN(const Fill fill, FillBuffer(may_idle));
    if (fill == Fill::kIdle) return Event::kIdle;
    if (fill == Fill::kData) continue;
    if (begin_ == end_) return Event::kEnd;
    line = TakeLine(end_, end_);  // The last line may lack its end.
    return Event::kLine;
  }
}

bool LineReader::has_line() const {
  return memchr(buffer_.data() + scanned_, '\n', end_ - scanned_) != nullptr;
}

std::string_view LineReader::TakeLine(size_t end, size_t next) {
  std::string_view line(buffer_.data() + begin_, end - begin_);
  bytes_consumed_ += static_cast<int64_t>(next - begin_);
  begin_ = scanned_ = next;
  if (++line_number_ == 1 && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  line_end_ = static_cast<size_t>(line.data() + line.size() - buffer_.data());
  return line;
}

Result<LineReader::Fill> LineReader::FillBuffer(bool may_idle) {
  Fill why_not = Fill::kEnd;
  if (at_end_ || !WaitForData(may_idle, why_not)) return why_not;
  MakeRoom();
  const ssize_t count = ReadSome(fd_, buffer_.data() + end_, buffer_.size() - kPaddingBytes - end_);
  if (count < 0) return ReadError(name_);
  at_end_ = count == 0;
  end_ += static_cast<size_t>(count);
  return at_end_ ? Fill::kEnd : Fill::kData;
}

// Waits until the input has something (its end too) or the stop signal has. A file is always ready.
bool LineReader::WaitForData(bool may_idle, Fill& why_not) const {
  pollfd wait[2] = {{fd_, POLLIN, 0}, {stop_ == nullptr ? -1 : stop_->fd(), POLLIN, 0}};
  int ready = 0;
  do {
    ready = poll(wait, 2, may_idle ? kIdleMs : -1);
  } while (ready < 0 && errno == EINTR);
  if (wait[1].revents != 0) {
    why_not = Fill::kEnd;
    return false;
  }
  why_not = Fill::kIdle;
  return ready != 0;
}

// Moves the unread bytes to the front of the buffer, and doubles it when they fill it.
void LineReader::MakeRoom() {
  if (begin_ > 0) {
    memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scanned_ -= begin_;
    begin_ = 0;
  }
  const size_t room = buffer_.size() - kPaddingBytes;
  if (end_ > room / 2) buffer_.resize(2 * room + kPaddingBytes);
}

Result<std::string> ReadAll(int fd, std::string_view name, size_t max_bytes) {
  std::string out;
  size_t used = 0;
  while (true) {
    out.resize(std::max(kBlockBytes, 2 * used));
    const ssize_t count = ReadSome(fd, out.data() + used, out.size() - used);
    if (count < 0) return ReadError(name);
    used += static_cast<size_t>(count);
    if (used > max_bytes) {
      return InvalidInput(name, ": longer than ", max_bytes >> 20, " MiB");
    }
    if (count == 0) break;
  }
  out.resize(used);
  return out;
}

Result<FileDescriptor> OpenInput(const std::string& path) {
  FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return MakeError(kInputUnreadable, path, ": ", strerror(errno));
  return file;
}

}  // namespace akin::cli

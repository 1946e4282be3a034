// Lines of a file, pipe or terminal, of any length up to a limit, without a copy: a line is a view
// into the reader's buffer, and enough bytes follow it in the buffer for simdjson to read past its
// end.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "cli/file_descriptor.h"

namespace akin::cli {

// Tells a thread that waits for input to stop waiting.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  void Stop();  // From any thread, once or more often.
  int fd() const { return read_end_.get(); }

 private:
  FileDescriptor read_end_;
  std::atomic<int> write_end_{-1};
};

class LineReader {
 public:
  enum class Event {
    kLine,
    kEnd,   // Of the input, or Stop was called.
    kIdle,  // Nothing came for a moment, and the caller has something better to do than wait.
  };

  // A longer line is an error instead of using up the memory.
  static constexpr size_t kMaxLineBytes = size_t{256} << 20;

  // `fd` is borrowed; `name` stands in messages. `stop` may be null.
  LineReader(int fd, std::string name, const StopSignal* stop);

  // The next line without its end ("\n" or "\r\n"), valid until the next call. A byte order mark at
  // the start of the input is left out. With `may_idle`, returns kIdle rather than wait for long.
  // Errors: kInputUnreadable; InvalidInput (line too long).
  Result<Event> Next(std::string_view& line, bool may_idle);

  // Whether Next has a line without reading: else it is time to pass on what was made of the lines
  // so far.
  bool has_line() const;
  // Bytes of the buffer that may be read behind the end of the line last returned.
  size_t readable_past_line() const { return buffer_.size() - line_end_; }
  // Of the line last returned, from 1.
  int64_t line_number() const { return line_number_; }
  // Bytes of input up to the end of that line.
  int64_t bytes_consumed() const { return bytes_consumed_; }
  const std::string& name() const { return name_; }

 private:
  enum class Fill { kData, kEnd, kIdle };
  Result<Fill> FillBuffer(bool may_idle);
  bool WaitForData(bool may_idle, Fill& why_not) const;
  void MakeRoom();
  std::string_view TakeLine(size_t end, size_t next);

  const int fd_;
  const std::string name_;
  const StopSignal* const stop_;
  std::vector<char>
      buffer_;        // Unread bytes are [begin_, end_), of which [begin_, scanned_) have no
  size_t begin_ = 0;  // line end.
  size_t scanned_ = 0;
  size_t end_ = 0;
  size_t line_end_ = 0;
  bool at_end_ = false;
  int64_t line_number_ = 0;
  int64_t bytes_consumed_ = 0;
};

// All of the input, for those who want one text; at most `max_bytes`.
Result<std::string> ReadAll(int fd, std::string_view name, size_t max_bytes);

// Opens `path` for reading. Error: kInputUnreadable.
Result<FileDescriptor> OpenInput(const std::string& path);

}  // namespace akin::cli

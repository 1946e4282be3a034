// Where vectors are written. A file appears under its name only when it is complete: until then it
// is a hidden file beside it, which is removed on every error and on a signal. Devices, pipes and
// standard output are written directly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "cli/file_descriptor.h"

namespace akin::cli {

// A file that a verb reads or writes. `path` "-" or empty is the standard stream `standard_fd`.
struct FileInUse {
  std::string_view option;  // That names it, for messages: "--input".
  std::string path;
  int standard_fd;
};

// For files of which one is written: refuses two names of one regular file, also by links, before
// anything is lost; a file that is not there yet is known by its folder and its name. Pipes,
// terminals and devices may be both. Error: InvalidInput.
Status CheckDistinct(const FileInUse& one, const FileInUse& other);

class OutputFile {
 public:
  // `path` "-", empty or "/dev/stdout" is standard output. Error: kOutputNotCreated.
  static Result<OutputFile> Create(const std::string& path);

  // Whether Create would succeed, for work that takes long before it has something to write. Pipes
  // and devices are not tried: whoever reads them would notice. Error: kOutputNotCreated.
  static Status Check(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  // Removes what was not committed.

  // Errors of both: kWriteFailed, kClosedPipe.
  Status Write(std::string_view bytes);
  // Writes over bytes that were written before; `offset` is from the first one. For seekable
  // outputs.
  Status Overwrite(int64_t offset, std::string_view bytes);
  bool seekable() const { return start_ >= 0; }

  // Everything is on the disk and the file has its name. Errors: kWriteFailed, kOutputNotCreated.
  Status Commit();

  const std::string& name() const { return name_; }

 private:
  OutputFile(FileDescriptor file, int fd, std::string name);
  static Result<OutputFile> CreateDirect(const std::string& path);
  static Result<OutputFile> CreateBeside(const std::string& target, const std::string& name);
  Error Failed() const;

  FileDescriptor file_;  // Closed for standard output.
  int fd_;
  std::string name_;       // In messages.
  std::string temporary_;  // Empty: written directly.
  std::string target_;
  int64_t start_ = -1;  // Position of the first byte; -1: not seekable.
};

}  // namespace akin::cli

#include "cli/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/exit_status.h"
#include "cli/file_descriptor.h"
#include "cli/strings.h"

namespace akin::cli {

Result<std::string> ReadSmallFile(const std::string& path, size_t most_bytes) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  while (true) {
    char buffer[1 << 14];
    const ssize_t count = file.is_open() ? read(file.get(), buffer, sizeof buffer) : -1;
    if (count < 0 && file.is_open() && errno == EINTR) continue;
    if (count < 0) {
      return MakeError(kInputUnreadable, path, ": cannot be read: ", std::strerror(errno));
    }
    if (count == 0) return text;
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > most_bytes) {
      return InvalidInput(path, ": is larger than ",
                          Counted(static_cast<int64_t>(most_bytes), "byte"),
                          ", the most that is expected there");
    }
  }
}

}  // namespace akin::cli

#include "base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/strings.h"

namespace akin {

Result<UniqueFd> OpenRegularFile(const std::string& path, std::string_view name) {
  // O_NONBLOCK: opening a named pipe must not wait for a writer.
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    const int why = errno;
    if (why != ENOENT && why != ENOTDIR)
      return ModelNotFound(name, ": cannot be read: ", std::strerror(why));
    return ModelNotFound(name, " is not there");
  }
  // Whatever it is, it is none of a model's broken files: nobody has seen what is in it.
  struct stat status;
  if (fstat(file.get(), &status) != 0) return ModelNotFound(name, ": ", std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return ModelNotFound(name, " is not a regular file but a folder");
  if (!S_ISREG(status.st_mode)) return ModelNotFound(name, " is not a regular file");
  return file;
}

Result<std::string> ReadFile(const UniqueFd& file, std::string_view name, size_t max_bytes) {
  struct stat status;
  if (fstat(file.get(), &status) != 0) return InvalidModel(name, ": ", std::strerror(errno));
  const auto size = static_cast<size_t>(status.st_size);
  if (size > max_bytes) {
    return InvalidModel(name, " has ", size, " bytes, at most ", max_bytes, " are read");
  }
  std::string text;
  text.reserve(size);
  AdviseHugePages(text.data(), size);
  text.resize(size);
  for (size_t done = 0; done < size;) {
    const ssize_t count = read(file.get(), text.data() + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return InvalidModel(name, ": cannot be read: ",
                          count < 0 ? std::strerror(errno) : "it became shorter meanwhile");
    }
    done += static_cast<size_t>(count);
  }
  return text;
}

std::string FileIdentity(const UniqueFd& file) {
  struct stat s;
  if (fstat(file.get(), &s) != 0) return {};
  return StrCat(static_cast<uint64_t>(s.st_dev), ':', static_cast<uint64_t>(s.st_ino), ':',
                static_cast<int64_t>(s.st_size), ':', static_cast<int64_t>(s.st_mtim.tv_sec), '.',
                static_cast<int64_t>(s.st_mtim.tv_nsec), ':',
                static_cast<int64_t>(s.st_ctim.tv_sec), '.',
                static_cast<int64_t>(s.st_ctim.tv_nsec));
}

}  // namespace akin

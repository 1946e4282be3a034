#include "hub/client/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "hub/client/disk.h"

namespace akin::hub {
namespace {

constexpr mode_t kMode = 0664;  // As huggingface_hub makes them: users of a group share a cache.

}  // namespace

Result<std::optional<FileLock>> FileLock::TryLock(const std::string& path) {
  AKIN_TRY(MakeFoldersFor(path));
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, kMode));
  if (!file) return DiskError(path, errno);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK || errno == EACCES || errno == EINTR) return std::optional<FileLock>();
    return std::optional(FileLock(std::move(file), false));
  }
  // Whoever held it may have removed the file meanwhile: then this lock guards no name.
  struct stat status;
  if (fstat(file.get(), &status) == 0 && status.st_nlink == 0) return std::optional<FileLock>();
  return std::optional(FileLock(std::move(file), true));
}

}  // namespace akin::hub

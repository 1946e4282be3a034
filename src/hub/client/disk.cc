#include "hub/client/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <random>
#include <system_error>

#include "base/mapped_file.h"
#include "base/strings.h"

namespace akin::hub {

Error DiskError(std::string_view path, int error) {
  return MakeError(ErrorCode::kServiceUnavailable, path, " cannot be written: ", strerror(error));
}

Status MakeFoldersFor(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  if (folder.empty()) return {};
  if (mkdir(folder.c_str(), 0777) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT) return DiskError(folder, errno);
  AKIN_TRY(MakeFoldersFor(folder));
  if (mkdir(folder.c_str(), 0777) == 0 || errno == EEXIST) return {};
  return DiskError(folder, errno);
}

void SyncFolder(const std::string& folder) {
  const UniqueFd file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file) fsync(file.get());
}

std::string UniqueSuffix() {
  std::random_device random;
  return StrCat(getpid(), '-', random());
}

Status ReplaceFile(const std::string& path, std::string_view content, const std::string& spare) {
  AKIN_TRY(MakeFoldersFor(path));
  const UniqueFd file(open(spare.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file) return DiskError(spare, errno);
  const auto written = write(file.get(), content.data(), content.size());
  if (written != static_cast<ssize_t>(content.size()) || fsync(file.get()) != 0 ||
      rename(spare.c_str(), path.c_str()) != 0) {
    const int why = written < 0 || errno != 0 ? errno : ENOSPC;
    unlink(spare.c_str());
    return DiskError(path, why);
  }
  return {};
}

void RemoveTree(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

int64_t FreeBytes(const std::string& folder) {
  struct statvfs status;
  if (statvfs(folder.c_str(), &status) != 0 || status.f_blocks == 0)
    return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
}

}  // namespace akin::hub

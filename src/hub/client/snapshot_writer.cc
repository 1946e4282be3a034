#include "hub/client/snapshot_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "hub/client/disk.h"
#include "hub/client/file_lock.h"

namespace akin::hub {
namespace {

// Beside blobs and snapshots, where nobody takes it for a blob, a revision or a ref.
constexpr std::string_view kSparePrefix = ".akin-";
constexpr std::string_view kPartSuffix = ".akin-part";
// Where locks do not work, what is older than this belongs to nobody: a download that gets nothing
// for half a minute gives up.
constexpr time_t kAbandonedSeconds = 3600;
constexpr std::chrono::milliseconds kLockCheck{20};
constexpr int kLockChecks = 1500;  // Half a minute for what takes milliseconds.

std::string SpareName(const RepositoryPaths& paths) {
  return StrCat(paths.folder, '/', kSparePrefix, UniqueSuffix());
}

// Held while names are given and leftovers removed: short.
Result<FileLock> LockNames(const RepositoryPaths& paths) {
  const std::string path = StrCat(paths.locks, "/akin-names.lock");
  for (int i = 0; i < kLockChecks; ++i) {
    AKIN_TRY_ASSIGN(std::optional<FileLock> lock, FileLock::TryLock(path));
    if (lock) return *std::move(lock);
    std::this_thread::sleep_for(kLockCheck);
  }
  return MakeError(ErrorCode::kServiceUnavailable, path,
                   " is held by another process for too long");
}

// "../../blobs/<hash>" for a file in the snapshot, "../../../blobs/<hash>" one folder below.
std::string LinkTarget(const HubFile& file) {
  std::string target = "../../";
  for (const char c : file.path) target += c == '/' ? "../" : "";
  return StrCat(target, "blobs/", file.hash);
}

// Puts a link to the file's blob into `folder`, a snapshot or what is to become one. On file
// systems without links the file itself takes the place, as huggingface_hub does.
Status PlaceFile(const RepositoryPaths& paths, const std::string& folder, const HubFile& file) {
  const std::string path = StrCat(folder, '/', file.path);
  AKIN_TRY(MakeFoldersFor(path));
  if (symlink(LinkTarget(file).c_str(), path.c_str()) == 0) return {};
  if (errno == EEXIST) {
    unlink(path.c_str());  // A link to nothing, or to an outdated file.
    if (symlink(LinkTarget(file).c_str(), path.c_str()) == 0 || errno == EEXIST) return {};
  }
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) return DiskError(path, errno);
  if (rename(StrCat(paths.blobs, '/', file.hash).c_str(), path.c_str()) == 0) return {};
  return DiskError(path, errno);
}

bool IsOld(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 && time(nullptr) - status.st_mtime > kAbandonedSeconds;
}

// "<hash>.akin-part", or "<hash>.<process>-<number>.akin-part" of a process without locks.
void RemovePart(const RepositoryPaths& paths, const std::string& name,
                std::span<const HubFile> wanted) {
  const std::string path = StrCat(paths.blobs, '/', name);
  const std::string hash = name.substr(0, name.find('.'));
  if (hash.size() + kPartSuffix.size() != name.size()) {
    if (IsOld(path)) unlink(path.c_str());
    return;
  }
  if (std::ranges::find(wanted, hash, &HubFile::hash) != wanted.end()) return;
  const auto lock = FileLock::TryLock(StrCat(paths.locks, '/', hash, ".lock"));
  if (lock && *lock && (*lock)->works()) unlink(path.c_str());
}

}  // namespace

bool HasAll(const std::string& snapshot, std::span<const HubFile> files) {
  return std::ranges::all_of(files, [&](const HubFile& file) {
    return FileBytes(StrCat(snapshot, '/', file.path)) == file.size;
  });
}

Status WriteSnapshot(const RepositoryPaths& paths, const std::string& commit,
                     std::span<const HubFile> files) {
  AKIN_TRY_ASSIGN(const FileLock lock, LockNames(paths));
  const std::string snapshot = paths.Snapshot(commit);
  AKIN_TRY(MakeFoldersFor(snapshot));
  const std::string spare = SpareName(paths);
  if (access(snapshot.c_str(), F_OK) != 0) {
    for (const HubFile& file : files) {
      const Status placed = PlaceFile(paths, spare, file);
      if (!placed) {
        RemoveTree(spare);
        return placed;
      }
    }
    if (rename(spare.c_str(), snapshot.c_str()) == 0) {
      SyncFolder(paths.snapshots);
      return {};
    }
    const int why = errno;
    RemoveTree(spare);
    if (why != EEXIST && why != ENOTEMPTY) return DiskError(snapshot, why);
  }
  for (const HubFile& file : files) {
    if (FileBytes(StrCat(snapshot, '/', file.path)) != file.size)
      AKIN_TRY(PlaceFile(paths, snapshot, file));
  }
  SyncFolder(snapshot);
  return {};
}

Status WriteRef(const RepositoryPaths& paths, const HubName& name, const std::string& commit) {
  if (name.revision == commit || CachedCommit(paths, name.revision) == commit) return {};
  // Held so that nobody takes the spare file for a leftover.
  AKIN_TRY_ASSIGN(const FileLock lock, LockNames(paths));
  return ReplaceFile(StrCat(paths.refs, '/', name.revision), commit, SpareName(paths));
}

Status WriteAbsent(const RepositoryPaths& paths, const std::string& commit,
                   std::span<const std::string_view> absent) {
  for (const std::string_view file : absent) {
    const std::string path = StrCat(paths.no_exist, '/', commit, '/', file);
    if (access(path.c_str(), F_OK) == 0) continue;
    AKIN_TRY(MakeFoldersFor(path));
    const UniqueFd made(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    if (!made) return DiskError(path, errno);
  }
  return {};
}

void RemoveSpares(const RepositoryPaths& paths) {
  std::vector<std::string> spares = EntriesOf(paths.folder);
  std::erase_if(spares, [](const std::string& name) { return !name.starts_with(kSparePrefix); });
  if (spares.empty()) return;  // As a rule: no lock is taken, and the cache need not be writable.
  const Result<FileLock> lock = LockNames(paths);
  if (!lock) return;
  for (const std::string& name : spares) {
    const std::string path = StrCat(paths.folder, '/', name);
    if (lock->works() || IsOld(path)) RemoveTree(path);
  }
}

void RemoveLeftovers(const RepositoryPaths& paths, std::span<const HubFile> wanted) {
  RemoveSpares(paths);
  const Result<FileLock> lock = LockNames(paths);
  if (!lock) return;
  for (const std::string& name : EntriesOf(paths.blobs)) {
    if (name.ends_with(kPartSuffix)) RemovePart(paths, name, wanted);
  }
}

}  // namespace akin::hub

// ListCachedModels and RemoveCachedModel of akin/hub.h.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "akin/hub.h"

#include "base/door.h"
#include "base/mapped_file.h"
#include "base/strings.h"
#include "hub/hub_cache.h"
#include "hub/hub_name.h"

namespace akin {
namespace {

constexpr std::string_view kModelPrefix = "models--";

Error CannotRemove(std::string_view path, std::string_view why) {
  return MakeError(ErrorCode::kServiceUnavailable, path, " cannot be removed: ", why);
}

int64_t BytesIn(const std::string& folder) {
  int64_t bytes = 0;
  for (const std::string& file : hub::EntriesOf(folder))
    bytes += std::max<int64_t>(0, hub::FileBytes(StrCat(folder, '/', file)));
  return bytes;
}

// The blobs that a snapshot's links lead to, by name.
std::set<std::string> BlobsOf(const std::string& snapshot) {
  std::set<std::string> blobs;
  for (const std::string& file : hub::FilesBelow(snapshot)) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(StrCat(snapshot, '/', file), error);
    if (!error) blobs.insert(target.filename().string());
  }
  return blobs;
}

CachedRevision Describe(const hub::RepositoryPaths& paths, const std::string& commit) {
  CachedRevision revision{.commit = commit, .path = paths.Snapshot(commit)};
  for (const std::string& file : hub::FilesBelow(revision.path)) {
    ++revision.files;
    revision.bytes += std::max<int64_t>(0, hub::FileBytes(StrCat(revision.path, '/', file)));
  }
  for (const std::string& ref : hub::FilesBelow(paths.refs)) {
    if (hub::CachedCommit(paths, ref) == commit) revision.names.push_back(ref);
  }
  revision.loadable = hub::IsLoadable(revision.path);
  return revision;
}

Result<std::vector<CachedModel>> List() {
  const std::string cache = hub::HubCacheFolder();
  if (!cache.empty() && access(cache.c_str(), R_OK) != 0 && errno != ENOENT)
    return MakeError(ErrorCode::kServiceUnavailable, cache, ": ", strerror(errno));
  std::vector<CachedModel> models;
  for (const std::string& folder : hub::EntriesOf(cache)) {
    const size_t dashes = folder.find("--", kModelPrefix.size());
    if (!folder.starts_with(kModelPrefix) || dashes == folder.npos) continue;
    CachedModel model{.name = folder.substr(kModelPrefix.size())};
    model.name.replace(dashes - kModelPrefix.size(), 2, "/");
    if (!IsHubName(model.name)) continue;
    const hub::RepositoryPaths paths(cache, model.name);
    model.bytes = BytesIn(paths.blobs);
    for (const std::string& commit : hub::EntriesOf(paths.snapshots)) {
      if (hub::IsCommitHash(commit)) model.revisions.push_back(Describe(paths, commit));
    }
    models.push_back(std::move(model));
  }
  return models;
}

// Error: a file of the model is being downloaded. The locks are let go at once: who begins after
// this finds its blobs gone and fetches them.
Status CheckNotBusy(const hub::RepositoryPaths& paths, std::string_view model) {
  for (const std::string& name : hub::EntriesOf(paths.locks)) {
    const UniqueFd lock(
        open(StrCat(paths.locks, '/', name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (lock && flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      return CannotRemove(model, "it is being downloaded");
  }
  return {};
}

// First under a name that nobody looks for, so that no half of it is ever seen.
Status RemoveFolder(const std::string& path, const std::string& spare) {
  if (rename(path.c_str(), spare.c_str()) != 0 && errno != ENOENT)
    return CannotRemove(path, strerror(errno));
  std::error_code error;
  std::filesystem::remove_all(spare, error);
  if (error) return CannotRemove(path, error.message());
  return {};
}

Result<int64_t> RemoveAll(const hub::RepositoryPaths& paths) {
  const int64_t bytes = BytesIn(paths.blobs);
  const std::string spare =
      StrCat(paths.folder.substr(0, paths.folder.rfind('/')), "/.akin-removed-",
             paths.folder.substr(paths.folder.rfind('/') + 1));
  AKIN_TRY(RemoveFolder(spare, spare + "-before"));  // Of a run that was killed.
  AKIN_TRY(RemoveFolder(paths.folder, spare));
  std::error_code ignored;  // Empty files; one that is locked meanwhile is made again.
  std::filesystem::remove_all(paths.locks, ignored);
  return bytes;
}

Result<int64_t> RemoveRevision(const hub::RepositoryPaths& paths, const std::string& commit) {
  std::set<std::string> kept;
  for (const std::string& other : hub::EntriesOf(paths.snapshots)) {
    if (other != commit) kept.merge(BlobsOf(paths.Snapshot(other)));
  }
  const std::set<std::string> blobs = BlobsOf(paths.Snapshot(commit));
  for (const std::string& ref : hub::FilesBelow(paths.refs)) {
    if (hub::CachedCommit(paths, ref) == commit) unlink(StrCat(paths.refs, '/', ref).c_str());
  }
  AKIN_TRY(RemoveFolder(paths.Snapshot(commit), StrCat(paths.folder, "/.akin-removed-", commit)));
  std::error_code ignored;
  std::filesystem::remove_all(StrCat(paths.no_exist, '/', commit), ignored);
  int64_t bytes = 0;
  for (const std::string& blob : blobs) {
    const std::string path = StrCat(paths.blobs, '/', blob);
    if (kept.contains(blob)) continue;
    const int64_t size = hub::FileBytes(path);
    if (unlink(path.c_str()) == 0) bytes += std::max<int64_t>(0, size);
  }
  return bytes;
}

Result<int64_t> Remove(std::string_view model) {
  AKIN_TRY_ASSIGN(const hub::HubName name, hub::ParseHubName(model));
  AKIN_TRY_ASSIGN(const std::string cache, hub::RequiredHubCacheFolder());
  const hub::RepositoryPaths paths(cache, name.repository);
  const bool one = model.find('@') != model.npos;
  const std::optional<std::string> commit = hub::CachedCommit(paths, name.revision);
  const std::string target = one && commit ? paths.Snapshot(*commit) : paths.folder;
  if ((one && !commit) || access(target.c_str(), F_OK) != 0)
    return ModelNotFound("model '", model, "' is not in the cache ", cache);
  AKIN_TRY(CheckNotBusy(paths, model));
  const bool only = hub::EntriesOf(paths.snapshots).size() == 1;
  return one && !only ? RemoveRevision(paths, *commit) : RemoveAll(paths);
}

}  // namespace

Result<std::vector<CachedModel>> ListCachedModels() {
  return AtTheDoor("cannot list the cached models", {}, [] { return List(); });
}

Result<int64_t> RemoveCachedModel(std::string_view model) {
  return AtTheDoor("cannot remove the model", model, [&] { return Remove(model); });
}

}  // namespace akin

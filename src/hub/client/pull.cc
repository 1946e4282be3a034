// PullModel and VerifyCachedModel of akin/hub.h.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "akin/hub.h"

#include "base/door.h"
#include "base/strings.h"
#include "http/curl_library.h"
#include "hub/client/content_hash.h"
#include "hub/client/disk.h"
#include "hub/client/downloads.h"
#include "hub/client/file_selection.h"
#include "hub/client/hub_api.h"
#include "hub/client/settings.h"
#include "hub/client/snapshot_writer.h"
#include "hub/hub_cache.h"
#include "hub/hub_name.h"

namespace akin {
namespace {

namespace fs = std::filesystem;
using hub::HubFile;

int64_t SumOfBytes(std::span<const HubFile> files) {
  int64_t bytes = 0;
  for (const HubFile& file : files) bytes += file.size;
  return bytes;
}

// A list that names a file twice contradicts itself, or means to.
Status CheckDistinct(const std::vector<HubFile>& files, std::string_view model) {
  std::set<std::string_view> paths;
  for (const HubFile& file : files) {
    if (!paths.insert(file.path).second)
      return InvalidModel(model, ": the hub lists '", file.path, "' twice");
  }
  return {};
}

// Files of the same content are one blob.
std::vector<HubFile> DistinctBlobs(std::span<const HubFile> files) {
  std::map<std::string_view, const HubFile*> by_hash;
  std::vector<HubFile> distinct;
  for (const HubFile& file : files) {
    if (by_hash.try_emplace(file.hash, &file).second) distinct.push_back(file);
  }
  // The largest first: small ones fill the gaps at the end.
  std::ranges::stable_sort(distinct, std::greater<>(), &HubFile::size);
  return distinct;
}

std::vector<std::string_view> AbsentFiles(std::span<const HubFile> all) {
  std::vector<std::string_view> absent;
  for (const std::string_view file : hub::OptionalFiles()) {
    if (std::ranges::find(all, file, &HubFile::path) == all.end()) absent.push_back(file);
  }
  return absent;
}

Status CheckSpace(const hub::RepositoryPaths& paths, std::span<const HubFile> blobs) {
  int64_t missing = 0;
  for (const HubFile& file : blobs) {
    struct stat part;
    const std::string blob = StrCat(paths.blobs, '/', file.hash);
    if (hub::FileBytes(blob) == file.size) continue;
    const bool begun = stat((blob + ".akin-part").c_str(), &part) == 0;
    missing += std::max<int64_t>(0, file.size - (begun ? part.st_blocks * 512 : 0));
  }
  const int64_t free = hub::FreeBytes(paths.blobs);
  if (missing <= free) return {};
  return MakeError(ErrorCode::kServiceUnavailable, paths.blobs, " cannot be written: ", missing,
                   " bytes are to come, ", free, " are free");
}

// The folders of a model that gets its first files; taken back when it gets none.
class NewFolders {
 public:
  static Result<NewFolders> Make(const hub::RepositoryPaths& paths) {
    NewFolders folders(paths);
    for (const std::string& folder : {paths.blobs, paths.snapshots, paths.refs})
      AKIN_TRY(hub::MakeFoldersFor(folder + "/x"));
    return folders;
  }
  // Removes those that are empty.
  void TakeBack() const {
    for (const std::string& folder : {paths_.blobs, paths_.snapshots, paths_.refs, paths_.folder})
      rmdir(folder.c_str());
  }

 private:
  explicit NewFolders(const hub::RepositoryPaths& paths) : paths_(paths) {}
  const hub::RepositoryPaths& paths_;
};

Result<PulledModel> PullOffline(const hub::HubName& name, std::string_view model) {
  const std::optional<std::string> snapshot = hub::FindSnapshot(name);
  if (!snapshot) {
    return ModelNotFound("model '", model, "' is not in the cache ", hub::HubCacheFolder(),
                         ", and HF_HUB_OFFLINE forbids to ask the hub");
  }
  PulledModel pulled{.path = *snapshot, .commit = snapshot->substr(snapshot->rfind('/') + 1)};
  for (const std::string& file : hub::FilesBelow(*snapshot)) {
    ++pulled.files;
    pulled.bytes += std::max<int64_t>(0, hub::FileBytes(StrCat(*snapshot, '/', file)));
  }
  return pulled;
}

// Brings the files into the cache; returns the bytes received.
Result<int64_t> Fetch(const hub::HubSettings& settings, const hub::HubName& name,
                      const hub::RepositoryPaths& paths, const std::string& commit,
                      std::span<const HubFile> files, const PullOptions& options) {
  const std::vector<HubFile> blobs = DistinctBlobs(files);
  AKIN_TRY_ASSIGN(const NewFolders folders, NewFolders::Make(paths));
  hub::RemoveLeftovers(paths, blobs);
  Status space = CheckSpace(paths, blobs);
  Result<int64_t> received = space ? hub::Download({.settings = settings,
                                                    .repository = name.repository,
                                                    .commit = commit,
                                                    .paths = paths,
                                                    .files = blobs,
                                                    .on_progress = options.on_progress})
                                   : Result<int64_t>(space.error());
  if (!received) {
    folders.TakeBack();
    return received;
  }
  AKIN_TRY(hub::WriteSnapshot(paths, commit, files));
  return received;
}

// What is shown until there is a list of files.
class Asking {
 public:
  void Wait(const Error& why, hub::Retries::Clock::time_point until) {
    // Without the address before it, which is long and always the same.
    const std::string& message = why.message();
    const size_t end = message.find(": ");
    why_ = end == message.npos ? message : message.substr(end + 2);
    until_ = until;
  }
  // Without trouble while the hub is asked.
  PullProgress Progress() const {
    const std::chrono::duration<double> left = until_ - hub::Retries::Clock::now();
    if (left.count() <= 0) return {};
    return {.trouble = why_, .retry_seconds = left.count()};
  }

 private:
  std::string why_;
  hub::Retries::Clock::time_point until_;
};

Result<PulledModel> Pull(std::string_view model, const PullOptions& options) {
  AKIN_TRY_ASSIGN(const hub::HubName name, hub::ParseHubName(model));
  AKIN_TRY_ASSIGN(const hub::HubSettings settings, hub::ReadHubSettings());
  AKIN_TRY_ASSIGN(const std::string cache, hub::RequiredHubCacheFolder());
  if (settings.offline) return PullOffline(name, model);

  Asking asking;
  const std::function<bool()> cancelled = [&] {
    return options.on_progress && !options.on_progress(asking.Progress());
  };
  hub::HubApi api(settings, cancelled, std::bind_front(&Asking::Wait, &asking));
  AKIN_TRY_ASSIGN(const std::string commit, api.Commit(name));
  AKIN_TRY_ASSIGN(const std::vector<HubFile> all, api.Files(name, commit));
  AKIN_TRY(CheckDistinct(all, model));
  AKIN_TRY_ASSIGN(const std::vector<HubFile> files,
                  options.include.empty() ? hub::SelectNeeded(all, model)
                                          : hub::SelectIncluded(all, options.include, model));

  const hub::RepositoryPaths paths(cache, name.repository);
  PulledModel pulled{.path = paths.Snapshot(commit),
                     .commit = commit,
                     .files = static_cast<int>(files.size()),
                     .bytes = SumOfBytes(files)};
  const bool there = hub::HasAll(pulled.path, files);
  if (there) {
    hub::RemoveSpares(paths);  // Of one that was killed while it wrote the ref.
  } else {
    AKIN_TRY_ASSIGN(pulled.received_bytes, Fetch(settings, name, paths, commit, files, options));
  }
  // A complete snapshot in a cache that cannot be written is as good as any.
  const Status absent = hub::WriteAbsent(paths, commit, AbsentFiles(all));
  const Status ref = hub::WriteRef(paths, name, commit);
  if (!there) {
    AKIN_TRY(absent);
    AKIN_TRY(ref);
  }
  return pulled;
}

// One sentence about a blob, or none.
std::string Fault(const hub::RepositoryPaths& paths, const std::string& hash) {
  if (!hub::IsContentHash(hash)) return "";
  const Result<std::string> found = hub::HashOfFile(StrCat(paths.blobs, '/', hash), hash);
  if (!found) return StrCat("blobs/", hash, ": ", found.error().message());
  if (*found == hash) return "";
  return StrCat("blobs/", hash, ": the ", hub::ContentHashName(hash), " of its content is ",
                *found);
}

// Where the files of a snapshot may lead, which is what model::ModelDirectory takes: into it, into
// the blobs of its repository and into those that all models of the cache share.
class SnapshotPlaces {
 public:
  explicit SnapshotPlaces(const std::string& snapshot) {
    std::error_code error;
    snapshot_ = fs::canonical(snapshot, error);
    const fs::path repository = snapshot_.parent_path().parent_path();
    allowed_ = {snapshot_.string() + '/', (repository / "blobs/").string(),
                (repository.parent_path() / "blobs/").string()};
  }

  // " leads to ..": what is wrong with the file; empty: nothing.
  std::string_view FaultOf(const std::string& file) const {
    std::error_code error;
    const std::string real = fs::canonical(snapshot_ / file, error).string();
    if (error || hub::FileBytes(real) < 0) return " leads to no file";
    const auto holds = [&](const std::string& folder) { return real.starts_with(folder); };
    return std::ranges::any_of(allowed_, holds) ? "" : " leads out of the cache";
  }

 private:
  fs::path snapshot_;
  std::array<std::string, 3> allowed_;
};

Result<std::vector<std::string>> Verify(std::string_view model) {
  AKIN_TRY_ASSIGN(const hub::HubName name, hub::ParseHubName(model));
  AKIN_TRY_ASSIGN(const std::string cache, hub::RequiredHubCacheFolder());
  const hub::RepositoryPaths paths(cache, name.repository);
  if (hub::EntriesOf(paths.folder).empty())
    return ModelNotFound("model '", name.repository, "' is not in the cache ", cache);
  std::vector<std::string> faults;
  for (const std::string& hash : hub::EntriesOf(paths.blobs)) {
    if (std::string fault = Fault(paths, hash); !fault.empty()) faults.push_back(std::move(fault));
  }
  for (const std::string& commit : hub::EntriesOf(paths.snapshots)) {
    const SnapshotPlaces places(paths.Snapshot(commit));
    for (const std::string& file : hub::FilesBelow(paths.Snapshot(commit))) {
      if (const std::string_view fault = places.FaultOf(file); !fault.empty())
        faults.push_back(StrCat("snapshots/", commit, '/', file, fault));
    }
  }
  for (const std::string& ref : hub::FilesBelow(paths.refs)) {
    const auto commit = hub::CachedCommit(paths, ref);
    if (!commit || access(paths.Snapshot(*commit).c_str(), F_OK) != 0)
      faults.push_back(StrCat("refs/", ref, " stands for no revision in the cache"));
  }
  return faults;
}

}  // namespace

Result<std::string> DescribeHttpClient() {
  AKIN_TRY_ASSIGN(const http::CurlLibrary* const curl, http::LoadCurl());
  return StrCat("libcurl ", curl->version_info(CURLVERSION_NOW)->version);
}

Result<PulledModel> PullModel(std::string_view model, const PullOptions& options) {
  return AtTheDoor("cannot pull the model", model, [&] { return Pull(model, options); });
}

Result<std::vector<std::string>> VerifyCachedModel(std::string_view model) {
  return AtTheDoor("cannot verify the model", model, [&] { return Verify(model); });
}

}  // namespace akin

#include "hub/hub_cache.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "base/regular_file.h"
#include "base/strings.h"

namespace akin::hub {
namespace {

constexpr int kMaxFolderDepth = 16;
constexpr size_t kMaxRefBytes = 64;

std::string ExpandHome(const std::string& path) {
  const std::string home = Environment("HOME");
  return path.starts_with("~/") && !home.empty() ? home + path.substr(1) : path;
}

// Calls `entry` with name and d_type. By opendir: std::filesystem's iterator ends the process when
// memory runs out (libstdc++ 12).
template <typename Entry>
void ForEachEntry(const std::string& path, Entry&& entry) {
  struct Close {
    void operator()(DIR* folder) const { closedir(folder); }
  };
  const std::unique_ptr<DIR, Close> folder(opendir(path.c_str()));
  while (const dirent* found = folder ? readdir(folder.get()) : nullptr) {
    const std::string_view name = found->d_name;
    if (name != "." && name != "..") entry(name);
  }
}

bool IsFolder(const std::string& path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void CollectFiles(const std::string& folder, const std::string& prefix, int depth,
                  std::vector<std::string>& files) {
  for (const std::string& name : EntriesOf(folder)) {
    const std::string path = StrCat(folder, '/', name);
    if (!IsFolder(path)) {
      files.push_back(prefix + name);
    } else if (depth < kMaxFolderDepth) {
      CollectFiles(path, StrCat(prefix, name, '/'), depth + 1, files);
    }
  }
}

// Of "model-00001-of-00003.safetensors": all three names. Of others: the name itself.
std::vector<std::string> ShardsOf(const std::string& file) {
  constexpr std::string_view kOf = "-of-", kEnd = ".safetensors";
  const size_t of = file.rfind(kOf), digits = 5;
  if (of == file.npos || of < digits || !file.ends_with(kEnd)) return {file};
  const std::string_view total =
      std::string_view(file).substr(of + kOf.size(), file.size() - of - kOf.size() - kEnd.size());
  int count = 0;
  if (std::from_chars(total.data(), total.data() + total.size(), count).ec != std::errc() ||
      total.size() != digits || count < 1) {
    return {file};
  }
  std::vector<std::string> shards;
  for (int i = 1; i <= count; ++i) {
    const std::string number = StrCat(i);
    shards.push_back(StrCat(file.substr(0, of - digits), std::string(digits - number.size(), '0'),
                            number, file.substr(of)));
  }
  return shards;
}

}  // namespace

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool IsTrue(const std::string& value) {
  std::string upper = value;
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return upper == "1" || upper == "ON" || upper == "YES" || upper == "TRUE";
}

std::string HubHomeFolder() {
  if (const std::string home = Environment("HF_HOME"); !home.empty()) return ExpandHome(home);
  if (const std::string xdg = Environment("XDG_CACHE_HOME"); !xdg.empty())
    return ExpandHome(xdg) + "/huggingface";
  if (const std::string home = Environment("HOME"); !home.empty())
    return home + "/.cache/huggingface";
  return "";
}

std::string HubCacheFolder() {
  if (const std::string cache = Environment("HF_HUB_CACHE"); !cache.empty())
    return ExpandHome(cache);
  const std::string home = HubHomeFolder();
  return home.empty() ? "" : home + "/hub";
}

Result<std::string> RequiredHubCacheFolder() {
  std::string cache = HubCacheFolder();
  if (cache.empty()) {
    return InvalidInput(
        "there is no place for the hub's cache: none of HF_HUB_CACHE, HF_HOME, "
        "XDG_CACHE_HOME and HOME is set");
  }
  return cache;
}

RepositoryPaths::RepositoryPaths(const std::string& cache, std::string_view repository) {
  std::string name = StrCat("models--", repository);
  if (const size_t slash = name.find('/'); slash != name.npos) name.replace(slash, 1, "--");
  folder = StrCat(cache, '/', name);
  blobs = folder + "/blobs";
  snapshots = folder + "/snapshots";
  refs = folder + "/refs";
  no_exist = folder + "/.no_exist";
  locks = StrCat(cache, "/.locks/", name);
}

std::optional<std::string> CachedCommit(const RepositoryPaths& paths, std::string_view revision) {
  if (IsCommitHash(revision)) return std::string(revision);
  if (!IsSafeRelativePath(revision)) return std::nullopt;
  const Result<UniqueFd> file = OpenRegularFile(StrCat(paths.refs, '/', revision), revision);
  if (!file) return std::nullopt;
  Result<std::string> text = ReadFile(*file, revision, kMaxRefBytes);
  if (!text) return std::nullopt;
  std::string commit = *std::move(text);
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == '\r')) commit.pop_back();
  if (!IsCommitHash(commit)) return std::nullopt;
  return commit;
}

std::vector<std::string> EntriesOf(const std::string& folder) {
  std::vector<std::string> names;
  ForEachEntry(folder, [&](std::string_view name) { names.emplace_back(name); });
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> FilesBelow(const std::string& folder) {
  std::vector<std::string> files;
  CollectFiles(folder, "", 0, files);
  return files;
}

int64_t FileBytes(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return -1;
  return status.st_size;
}

bool IsLoadable(const std::string& snapshot) {
  const auto there = [&](const std::string& file) { return FileBytes(snapshot + '/' + file) >= 0; };
  if (!there("config.json") && !there("modules.json")) return false;
  bool weights = false;
  for (const std::string& file : FilesBelow(snapshot)) {
    if (file.ends_with(".onnx")) weights = weights || there(file);
    if (!file.ends_with(".safetensors")) continue;
    if (!std::ranges::all_of(ShardsOf(file), there)) return false;
    weights = true;
  }
  return weights;
}

std::optional<std::string> FindSnapshot(const HubName& name) {
  const std::string cache = HubCacheFolder();
  if (cache.empty()) return std::nullopt;
  const RepositoryPaths paths(cache, name.repository);
  const std::optional<std::string> commit = CachedCommit(paths, name.revision);
  if (!commit || !IsLoadable(paths.Snapshot(*commit))) return std::nullopt;
  return paths.Snapshot(*commit);
}

}  // namespace akin::hub

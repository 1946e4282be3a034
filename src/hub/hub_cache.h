// The cache of Python's huggingface_hub, whose layout is its public interface:
//
//   <cache>/models--org--name/
//     blobs/<hash>                      files by their SHA-256 (large ones) or git blob id
//     refs/main                         the commit that a name stands for
//     snapshots/<commit>/config.json    links to ../../blobs/<hash>
//     .no_exist/<commit>/modules.json   known not to be there
//   <cache>/.locks/models--org--name/<hash>.lock
//
// In newer caches a blob may itself be a link into <cache>/blobs, which all models share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "hub/hub_name.h"

namespace akin::hub {

// HF_HUB_CACHE, or hub in HF_HOME, or in $XDG_CACHE_HOME/huggingface or ~/.cache/huggingface. Empty
// when none of these is set.
std::string HubCacheFolder();
// HF_HOME or what stands for it; empty likewise.
std::string HubHomeFolder();
// The same as a Result: InvalidInput, which variable to set.
Result<std::string> RequiredHubCacheFolder();

// A value of the environment, empty when it is not set; and whether it says yes as Python reads it.
std::string Environment(const char* name);
bool IsTrue(const std::string& value);

// The places of one model in the cache.
struct RepositoryPaths {
  RepositoryPaths(const std::string& cache, std::string_view repository);
  std::string folder;     // <cache>/models--org--name
  std::string blobs;      // <folder>/blobs
  std::string snapshots;  // <folder>/snapshots
  std::string refs;       // <folder>/refs
  std::string no_exist;   // <folder>/.no_exist
  std::string locks;      // <cache>/.locks/models--org--name
  std::string Snapshot(std::string_view commit) const {
    return snapshots + '/' + std::string(commit);
  }
};

// The commit that `revision` stands for, as far as the cache knows.
std::optional<std::string> CachedCommit(const RepositoryPaths& paths, std::string_view revision);

// Names of the entries of a folder, sorted; empty if it cannot be read. Of a `recursive` listing
// they are paths of files (and links), relative to it.
std::vector<std::string> EntriesOf(const std::string& folder);
std::vector<std::string> FilesBelow(const std::string& folder);

// Whether the folder has configuration and complete weights, so that loading it is worth a try.
bool IsLoadable(const std::string& snapshot);

// The folder of a cached revision that is loadable.
std::optional<std::string> FindSnapshot(const HubName& name);

// Of the file that `path` leads to; -1 when there is none.
int64_t FileBytes(const std::string& path);

}  // namespace akin::hub

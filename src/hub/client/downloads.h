// Several files at once over several connections.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/hub.h"
#include "akin/result.h"

#include "hub/client/repo_listing.h"
#include "hub/client/settings.h"
#include "hub/hub_cache.h"

namespace akin::hub {

struct DownloadRequest {
  const HubSettings& settings;
  std::string_view repository;
  std::string_view commit;
  const RepositoryPaths& paths;
  std::span<const HubFile> files;  // Each of another hash.
  const std::function<bool(const PullProgress&)>& on_progress;
};

// Brings all files into the blobs folder; returns the bytes received. The calling thread waits and
// reports. On an error after which what was received is of no use (a wrong hash, a full disk), it
// is removed; else it is kept for the next run.
Result<int64_t> Download(const DownloadRequest& request);

}  // namespace akin::hub

// The folder of a revision: links to the blobs, and the name that stands for it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "hub/client/repo_listing.h"
#include "hub/hub_cache.h"
#include "hub/hub_name.h"

namespace akin::hub {

// Whether every file is in the snapshot, with its size.
bool HasAll(const std::string& snapshot, std::span<const HubFile> files);

// Makes the snapshot of `commit` appear with all `files`, whose blobs are there, at once; one that
// is there gets those that it lacks. Error: ServiceUnavailable.
Status WriteSnapshot(const RepositoryPaths& paths, const std::string& commit,
                     std::span<const HubFile> files);

// The revision's name stands for `commit` from now on, and the `absent` files are known not to be
// in it. Error: ServiceUnavailable.
Status WriteRef(const RepositoryPaths& paths, const HubName& name, const std::string& commit);
Status WriteAbsent(const RepositoryPaths& paths, const std::string& commit,
                   std::span<const std::string_view> absent);

// Removes what killed processes were about to give a name to.
void RemoveSpares(const RepositoryPaths& paths);

// Removes what killed processes have left: parts of files that are not among `wanted`, folders that
// were not complete. What another process holds stays.
void RemoveLeftovers(const RepositoryPaths& paths, std::span<const HubFile> wanted);

}  // namespace akin::hub

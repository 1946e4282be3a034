// The names of a hub: of models, of revisions and of the files in them. All of them become paths
// on this machine, so all of them are checked here.
#pragma once

#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::hub {

struct HubName {
  std::string repository;         // "org/name"
  std::string revision = "main";  // A branch, a tag or a commit.
};

// "org/name" or "org/name@revision". Error: InvalidInput.
Result<HubName> ParseHubName(std::string_view model);

// Parts that are names, joined by single slashes: nothing that climbs, starts elsewhere or hides a
// control character. At most 1,024 bytes, 255 a part.
bool IsSafeRelativePath(std::string_view path);

// Digits and a to f, `length` of them.
bool IsHexadecimal(std::string_view text, size_t length);
// 40 of them: the name of a commit and of a git blob.
bool IsCommitHash(std::string_view text);

}  // namespace akin::hub

// Writing into the cache: everything can fail, and a name stands for a complete file only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::hub {

// ServiceUnavailable: "PATH cannot be written: No space left on device".
Error DiskError(std::string_view path, int error);

// The folders above `path`, as far as they are missing.
Status MakeFoldersFor(const std::string& path);

// The names in a folder are on the disk. File systems that cannot say so are believed.
void SyncFolder(const std::string& folder);

// A name for a file that is not complete, which no other process takes.
std::string UniqueSuffix();

// `path` holds `content`; readers see the former content or this one. `spare` is where it is
// written first, on the same file system.
Status ReplaceFile(const std::string& path, std::string_view content, const std::string& spare);

// Removes a folder and all in it, links not followed. What cannot be removed stays.
void RemoveTree(const std::string& path);

// Bytes that may be written below `folder`; a large number when nobody knows.
int64_t FreeBytes(const std::string& folder);

}  // namespace akin::hub

// Bytes that took long to make, kept in files for the next start: weights in the layout of the
// kernels. Processes that use the same entry share its pages.
//
// An entry is a file in packed/ of the cache folder, written once: under another name first,
// synced, then renamed, so that it is complete or absent whoever else writes or dies. It is used
// only if it belongs to this user, says the same key, has the expected size and the checksum is
// right, which reads it once; whatever else lies there is as good as nothing and is replaced.
// Nothing of it is trusted further: it is numbers for products, no code and no offsets.
//
// The folder is bounded: after a write the entries that were used the longest ago go, but for the
// new one, until it holds at most AKIN_PACKED_CACHE_MIB (default 4096; 0 switches the cache off). A
// file that is mapped somewhere stays there until that process lets it go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "akin/result.h"

#include "base/mapped_file.h"

namespace akin {

// An entry, mapped read-only as long as this object lives.
class CachedBytes {
 public:
  CachedBytes() = default;
  CachedBytes(MappedFile file, std::span<const std::byte> bytes)
      : file_(std::move(file)), bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  std::span<const std::byte> bytes() const { return bytes_; }  // At the start of a page.

 private:
  MappedFile file_;
  std::span<const std::byte> bytes_;
};

// The entry of `key` if it is there, whole and `size` bytes long; else an empty one. `key` says
// everything that the bytes depend on.
CachedBytes FindPacked(std::string_view key, size_t size);

// Whether an entry of `key` and `size` seems to be there: its bytes are not looked at.
bool IsPackedKept(std::string_view key, size_t size);

// Whether there is a cache with room for `size` bytes.
bool KeepsPacked(size_t size);

// Keeps `bytes` for FindPacked. What cannot be written (no cache folder, a full disk) is left out:
// a cache is worth some milliseconds of the next start and nothing else.
void StorePacked(std::string_view key, std::span<const std::byte> bytes);

// Error: InvalidInput, AKIN_PACKED_CACHE_MIB is no number of MiB. The cache is off then.
Status CheckPackedCacheSize();

// Where the entries are; empty when there is no cache folder or the cache is off.
std::string PackedCacheFolder();

}  // namespace akin

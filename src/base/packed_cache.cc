#include "base/packed_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/cache_folder.h"
#include "base/checksum.h"
#include "base/regular_file.h"
#include "base/strings.h"

namespace akin {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTitle = "akin packed weights 1\n";
constexpr std::string_view kSuffix = ".packed";
constexpr size_t kHeaderBytes = 4096;  // A page, so that the bytes begin on one.
constexpr uint64_t kDefaultMiB = 4096;
// A temporary file that is older has lost its writer.
constexpr auto kTemporaryLife = std::chrono::hours(1);

constexpr char kSizeVariable[] = "AKIN_PACKED_CACHE_MIB";

Result<uint64_t> MostMiB() {
  const char* text = std::getenv(kSizeVariable);
  if (text == nullptr || *text == '\0') return kDefaultMiB;
  uint64_t mib = 0;
  const char* const end = text + std::strlen(text);
  const auto [parsed, error] = std::from_chars(text, end, mib);
  if (error == std::errc() && parsed == end && mib < (uint64_t{1} << 40)) return mib;
  return InvalidInput(kSizeVariable, " is '", text,
                      "', expected a whole number of MiB (0 switches the cache off)");
}

// What is no number switches nothing on.
uint64_t MostBytes() {
  const Result<uint64_t> mib = MostMiB();
  return mib ? *mib << 20 : 0;
}

// The file's name; the key inside decides.
std::string PathOf(const std::string& folder, std::string_view key) {
  char name[17];
  const auto bytes = std::as_bytes(std::span(key.data(), key.size()));
  std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(Checksum(bytes)));
  return StrCat(folder, '/', name, kSuffix);
}

// Title, key, size and checksum, then zeros; empty when the key is too long for it.
std::string Header(std::string_view key, size_t size, uint64_t checksum) {
  std::string header = StrCat(kTitle, "bytes ", size, "\nchecksum ", checksum, "\nkey ", key, '\n');
  if (header.size() > kHeaderBytes) return {};
  header.resize(kHeaderBytes, '\0');
  return header;
}

// Nobody else may write what we compute with.
bool IsOurs(const UniqueFd& file) {
  struct stat status;
  return fstat(file.get(), &status) == 0 && status.st_uid == geteuid() &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool WriteAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

// In one call instead of a fault for every few pages.
void ReadAhead(std::span<const std::byte> mapped) {
#if defined(MADV_POPULATE_READ)
  madvise(const_cast<std::byte*>(mapped.data()), mapped.size(), MADV_POPULATE_READ);
#endif
}

// A file that was written lies in the page cache in pieces as small as they came; read again for a
// mapping that asks for large pages it lies there on these, for whoever maps it next. Piece by
// piece: a process has its weights in memory already when it stores them.
void BringOntoLargePages(const UniqueFd& file, std::string_view path) {
#if defined(POSIX_FADV_DONTNEED)
  constexpr size_t kPiece = size_t{8} << 20;
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  const auto mapped = MappedFile::Map(file, path);
  if (!mapped) return;
  AdviseHugePages(mapped->bytes().data(), mapped->bytes().size());
  for (size_t first = 0; first < mapped->bytes().size(); first += kPiece) {
    const auto piece =
        mapped->bytes().subspan(first, std::min(kPiece, mapped->bytes().size() - first));
    ReadAhead(piece);
    DropMappedPages(piece);
  }
#endif
}

void SyncFolder(const std::string& folder) {
  const UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) fsync(fd.get());
}

struct Entry {
  fs::path path;
  fs::file_time_type used;
  uint64_t bytes;
};

// The entries of the folder; removes what writers that died have left.
std::vector<Entry> ListEntries(const std::string& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code bad_time, bad_size;
    const Entry entry{at->path(), at->last_write_time(bad_time), at->file_size(bad_size)};
    if (bad_time || bad_size) continue;  // Gone meanwhile.
    const std::string name = entry.path.filename().string();
    if (name.ends_with(kSuffix)) {
      entries.push_back(entry);
    } else if (name.find(kSuffix) != std::string::npos && now - entry.used > kTemporaryLife) {
      std::error_code ignored;
      fs::remove(entry.path, ignored);
    }
  }
  return entries;
}

// Removes the entries that were used the longest ago.
void Trim(const std::string& folder, const std::string& newest) {
  std::vector<Entry> entries = ListEntries(folder);
  std::ranges::sort(entries, {}, &Entry::used);
  uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes;
  for (const Entry& entry : entries) {
    if (bytes <= MostBytes()) return;
    if (entry.path == newest) continue;
    std::error_code ignored;
    fs::remove(entry.path, ignored);
    bytes -= entry.bytes;
  }
}

}  // namespace

Status CheckPackedCacheSize() {
  AKIN_TRY(MostMiB());
  return {};
}

std::string PackedCacheFolder() {
  const std::string cache = CacheFolder();
  return cache.empty() || MostBytes() == 0 ? std::string() : cache + "/packed";
}

CachedBytes FindPacked(std::string_view key, size_t size) {
  const std::string folder = PackedCacheFolder();
  if (folder.empty() || size == 0) return {};
  const std::string path = PathOf(folder, key);
  const auto file = OpenRegularFile(path, path);
  if (!file || !IsOurs(*file)) return {};
  auto mapped = MappedFile::Map(*file, path);
  if (!mapped || mapped->bytes().size() != kHeaderBytes + size) return {};
  // On large pages where the file system has them.
  AdviseHugePages(mapped->bytes().data(), mapped->bytes().size());
  ReadAhead(mapped->bytes());
  const std::span<const std::byte> bytes = mapped->bytes().subspan(kHeaderBytes);
  const std::string header = Header(key, size, Checksum(bytes));
  if (header.empty() || std::memcmp(header.data(), mapped->bytes().data(), kHeaderBytes) != 0)
    return {};
  futimens(file->get(), nullptr);  // Used now. Where that is not allowed it goes sooner.
  return {std::move(*mapped), bytes};
}

bool IsPackedKept(std::string_view key, size_t size) {
  const std::string folder = PackedCacheFolder();
  if (folder.empty() || size == 0) return false;
  const std::string path = PathOf(folder, key);
  const auto file = OpenRegularFile(path, path);
  struct stat status;
  return file && IsOurs(*file) && fstat(file->get(), &status) == 0 &&
         static_cast<size_t>(status.st_size) == kHeaderBytes + size;
}

bool KeepsPacked(size_t size) {
  return !PackedCacheFolder().empty() && kHeaderBytes + size <= MostBytes();
}

void StorePacked(std::string_view key, std::span<const std::byte> bytes) {
  const std::string folder = PackedCacheFolder();
  if (!KeepsPacked(bytes.size())) return;
  const std::string header = Header(key, bytes.size(), Checksum(bytes));
  if (header.empty()) return;
  std::error_code error;
  fs::create_directories(folder, error);
  const std::string path = PathOf(folder, key);
  std::string temporary = path + ".XXXXXX";
  const UniqueFd file(mkostemp(temporary.data(), O_CLOEXEC));  // Readable by this user only.
  if (!file) return;
  const bool written = WriteAll(file.get(), std::as_bytes(std::span(header))) &&
                       WriteAll(file.get(), bytes) && fsync(file.get()) == 0;
  if (written) BringOntoLargePages(file, temporary);
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
    unlink(temporary.c_str());
    return;
  }
  SyncFolder(folder);
  Trim(folder, path);
}

}  // namespace akin

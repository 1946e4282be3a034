#include "engine/gate_record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "akin/system.h"

#include "base/cache_folder.h"
#include "base/mapped_file.h"
#include "base/regular_file.h"
#include "base/strings.h"

namespace akin::engine {
namespace {

// A title, the key, a line for each precision, and what HashOf makes of all that. The first form
// had no such last line.
constexpr std::string_view kTitle = "akin precision gate 2\n";
constexpr std::string_view kFirstTitle = "akin precision gate 1\n";
constexpr std::string_view kCheck = "check ";
constexpr std::string_view kEnding = ".txt";
constexpr size_t kMaxBytes = size_t{64} << 10;

// All files that a vector depends on, as far as they are there.
constexpr std::string_view kFiles[] = {
    "config.json",           "modules.json",      "sentence_bert_config.json",   "tokenizer.json",
    "1_Pooling/config.json", "model.safetensors", "model.safetensors.index.json"};

std::string FileKey(const std::string& folder, std::string_view name) {
  struct stat status;
  const std::string path = StrCat(folder, '/', name);
  if (stat(path.c_str(), &status) != 0) return "";
  return StrCat(' ', name, ':', static_cast<int64_t>(status.st_size), ':',
                static_cast<int64_t>(status.st_mtim.tv_sec), '.',
                static_cast<int64_t>(status.st_mtim.tv_nsec));
}

// FNV-1a, 64 bits, in hexadecimal digits: a file's name, whose key decides; a checksum.
constexpr size_t kHashDigits = 16;
std::string HashOf(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char digits[32];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

bool HasPrecision(const GateRecord::Cosines& cosines, Precision precision) {
  return std::ranges::find(cosines, precision, &GateRecord::Cosine::precision) != cosines.end();
}

// All digits: one just below the bound is not on it when it is read. A comma is none, whatever the
// program's locale is.
std::string InDigits(double cosine) {
  if (std::isnan(cosine)) return "nan";
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, cosine).ptr};
}

// "int8 0.99891"
std::optional<GateRecord::Cosine> ParseLine(std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto precision = ParsePrecision(line.substr(0, blank));
  if (!precision) return std::nullopt;
  const std::string_view number = line.substr(blank + 1);
  double cosine = 0.0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), cosine);
  // NaN is what vectors have that are not finite; nothing has more than 1.
  if (error != std::errc() || end != number.data() + number.size() || cosine > 1.0)
    return std::nullopt;
  return GateRecord::Cosine{*precision, cosine};
}

// Nothing, if one of the lines is none, or says a precision again.
GateRecord::Cosines ParseLines(std::string_view lines) {
  GateRecord::Cosines cosines;
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    const auto cosine = ParseLine(lines.substr(0, end));
    if (!cosine || HasPrecision(cosines, cosine->precision)) return {};
    cosines.push_back(*cosine);
    lines.remove_prefix(end + 1);
  }
  return cosines;
}

// The lines between the key and the checksum; nothing, if it is of another key or damaged.
std::string_view LinesOf(std::string_view content, std::string_view key) {
  const std::string head = StrCat(kTitle, key, '\n');
  if (const std::string first = StrCat(kFirstTitle, key, '\n');
      content.starts_with(first) && content.ends_with('\n'))
    return content.substr(first.size());
  const size_t check = content.rfind(kCheck);
  if (!content.starts_with(head) || check == content.npos || check < head.size() ||
      content.substr(check) != StrCat(kCheck, HashOf(content.substr(0, check)), '\n'))
    return {};
  return content.substr(head.size(), check - head.size());
}

// A record, or what a process that died while it wrote one has left.
bool IsOurs(std::string_view name) {
  return name.find_first_not_of("0123456789abcdef") == kHashDigits &&
         name.substr(kHashDigits).starts_with(kEnding);
}

// Records of models, tiers and versions that are used no longer. What else somebody keeps in the
// folder, or in the one that it links to, is his.
void RemoveOldest(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!IsOurs(it->path().filename().string())) continue;
    std::error_code gone;
    const fs::file_time_type time = it->last_write_time(gone);
    if (!gone) files.emplace_back(time, it->path());
  }
  if (files.size() <= GateRecord::kMostFiles) return;
  std::ranges::sort(files);
  files.resize(files.size() - GateRecord::kMostFiles);
  for (const auto& [time, path] : files) fs::remove(path, error);
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Held as long as the descriptor is open, if it could be had in time. The file stays: who removed
// it would leave others with the lock of a file that has no name.
UniqueFd LockRecords(const std::string& folder) {
  const std::string path = StrCat(folder, '/', GateRecord::kLockName);
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  // For writing, which a network's file system asks for; another user's file is there to be read.
  UniqueFd file(open(path.c_str(), kFlags | O_RDWR | O_CREAT, 0664));
  if (!file) file = UniqueFd(open(path.c_str(), kFlags | O_RDONLY));
  if (!file) return file;
  const auto end = std::chrono::steady_clock::now() + GateRecord::kLongestWait;
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) break;  // There are no locks here.
    if (std::chrono::steady_clock::now() >= end) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return file;
}

}  // namespace

GateRecord::GateRecord(const model::ModelDirectory& directory, std::string_view route,
                       std::optional<PoolingMode> pooling, Isa isa) {
  std::error_code error;
  const std::string real = std::filesystem::canonical(directory.path(), error).string();
  key_ = StrCat("version ", Version(), ", tier ", IsaName(isa), ", folder ", real, ',');
  for (const std::string_view file : kFiles) key_ += FileKey(directory.path(), file);
  if (!route.empty()) key_ += StrCat(" route ", route);
  if (pooling) key_ += StrCat(" pooling ", PoolingModeName(*pooling));
  // A line is a line.
  std::erase_if(key_, [](char c) { return c == '\n'; });
  const std::string cache = CacheFolder();
  if (cache.empty()) return;
  folder_ = cache + "/precision";
  path_ = StrCat(folder_, '/', HashOf(key_), kEnding);
}

GateRecord::Cosines GateRecord::Read() const {
  if (folder_.empty()) return {};
  const auto file = OpenRegularFile(path_, path_);
  if (!file) return {};
  const auto content = ReadFile(*file, path_, kMaxBytes);
  return content ? ParseLines(LinesOf(*content, key_)) : Cosines();
}

void GateRecord::Add(const Cosines& cosines) const {
  if (folder_.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  const UniqueFd lock = LockRecords(folder_);
  Cosines all = cosines;
  for (const Cosine& known : Read()) {
    if (!HasPrecision(cosines, known.precision)) all.push_back(known);
  }
  std::string content = StrCat(kTitle, key_, '\n');
  for (const auto& [precision, cosine] : all) {
    content += StrCat(PrecisionName(precision), ' ', InDigits(cosine), '\n');
  }
  content += StrCat(kCheck, HashOf(content), '\n');
  Write(content);
}

void GateRecord::Write(const std::string& content) const {
  std::string temporary = path_ + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return;
  const bool written = WriteAll(fd, content);
  // Not only for this user, where there are such modes: a folder that is filled as an image is
  // built serves whoever runs it.
  fchmod(fd, 0644);
  const bool closed = close(fd) == 0;  // Where a network's file system says that it is full.
  if (!written || !closed || std::rename(temporary.c_str(), path_.c_str()) != 0)
    unlink(temporary.c_str());
  RemoveOldest(folder_);
}

}  // namespace akin::engine

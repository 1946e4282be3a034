#include "engine/gate_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "akin/system.h"

#include "base/cache_folder.h"
#include "base/regular_file.h"
#include "base/strings.h"

namespace akin::engine {
namespace {

constexpr std::string_view kTitle = "akin precision gate 1\n";
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

// FNV-1a, 64 bits: a file name; the key inside of the file decides.
std::string HashName(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.txt", static_cast<unsigned long long>(hash));
  return name;
}

// "int8 0.99891"
std::optional<GateRecord::Cosine> ParseLine(std::string_view line) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const auto precision = ParsePrecision(line.substr(0, blank));
  if (!precision) return std::nullopt;
  const std::string number(line.substr(blank + 1));
  char* end = nullptr;
  const double cosine = std::strtod(number.c_str(), &end);
  if (number.empty() || *end != '\0' || std::isnan(cosine)) return std::nullopt;
  return GateRecord::Cosine{*precision, cosine};
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
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
  path_ = StrCat(folder_, '/', HashName(key_));
}

GateRecord::Cosines GateRecord::Read() const {
  Cosines cosines;
  if (folder_.empty()) return cosines;
  const auto file = OpenRegularFile(path_, path_);
  if (!file) return cosines;
  const auto content = ReadFile(*file, path_, kMaxBytes);
  if (!content) return cosines;
  std::string_view text = *content;
  const std::string head = StrCat(kTitle, key_, '\n');
  if (!text.starts_with(head) || !text.ends_with('\n')) return cosines;
  text.remove_prefix(head.size());
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const auto cosine = ParseLine(text.substr(0, end));
    if (!cosine) return {};
    cosines.push_back(*cosine);
    text.remove_prefix(end + 1);
  }
  return cosines;
}

void GateRecord::Write(const Cosines& cosines) const {
  if (folder_.empty()) return;
  std::string content = StrCat(kTitle, key_, '\n');
  for (const auto& [precision, cosine] : cosines) {
    char number[32];
    std::snprintf(number, sizeof number, "%.9f", cosine);
    content += StrCat(PrecisionName(precision), ' ', number, '\n');
  }
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  std::string temporary = path_ + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return;
  const bool written = WriteAll(fd, content);
  close(fd);
  if (!written || std::rename(temporary.c_str(), path_.c_str()) != 0) unlink(temporary.c_str());
}

}  // namespace akin::engine

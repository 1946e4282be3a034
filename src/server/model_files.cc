#include "server/model_files.h"

#include <dirent.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "server/text.h"

namespace akin::server {
namespace {

using std::chrono::system_clock;

constexpr int kMostEntries = 10'000;  // Of all its folders, hidden ones, too.
constexpr int kMostLevels = 4;

struct File {
  std::string path;  // In the folder.
  std::string content;
  int64_t bytes = 0;
  system_clock::time_point written;
};

bool IsHash(std::string_view name) {
  const auto is_digit = [](unsigned char c) { return std::isdigit(c) || (c >= 'a' && c <= 'f'); };
  return (name.size() == 40 || name.size() == 64) && std::ranges::all_of(name, is_digit);
}

// The hub's cache keeps contents under their hashes, to which the files of a revision are links.
std::string HashOfBlob(const std::string& path) {
  std::array<char, 4096> target;
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  if (size <= 0) return "";
  std::string_view name(target.data(), static_cast<size_t>(size));
  name.remove_prefix(name.rfind('/') + 1);
  return IsHash(name) ? std::string(name) : "";
}

File Described(const std::string& path, std::string name, const struct stat& info) {
  const auto since_epoch =
      std::chrono::seconds(info.st_mtim.tv_sec) + std::chrono::nanoseconds(info.st_mtim.tv_nsec);
  File file{.path = std::move(name),
            .content = HashOfBlob(path),
            .bytes = info.st_size,
            .written = system_clock::time_point(
                std::chrono::duration_cast<system_clock::duration>(since_epoch))};
  if (file.content.empty()) file.content = StrCat(int64_t{since_epoch.count()});
  return file;
}

// A walk through a folder and those below it. By opendir: std::filesystem's iterator ends the
// process when memory runs out (libstdc++ 12).
class Walk {
 public:
  Walk(const std::string& folder, std::stop_token stop) : folder_(folder), stop_(std::move(stop)) {
    AddFiles("", kMostLevels);
  }
  bool was_stopped() const { return stop_.stop_requested(); }
  std::vector<File> TakeFiles() { return std::move(files_); }

 private:
  // Those below `inside`, which is empty or ends with a slash.
  void AddFiles(const std::string& inside, int levels) {
    struct Close {
      void operator()(DIR* opened) const { closedir(opened); }
    };
    const std::unique_ptr<DIR, Close> opened(opendir(StrCat(folder_, '/', inside).c_str()));
    while (const dirent* entry = opened ? readdir(opened.get()) : nullptr) {
      if (entries_left_-- <= 0 || was_stopped()) return;
      if (entry->d_name[0] == '.') continue;
      const std::string name = inside + entry->d_name, path = StrCat(folder_, '/', name);
      struct stat info, link;
      if (stat(path.c_str(), &info) != 0 || lstat(path.c_str(), &link) != 0) continue;
      if (S_ISREG(info.st_mode)) files_.push_back(Described(path, name, info));
      if (S_ISDIR(link.st_mode) && levels > 1) AddFiles(name + '/', levels - 1);
    }
  }

  const std::string& folder_;
  const std::stop_token stop_;
  int entries_left_ = kMostEntries;
  std::vector<File> files_;
};

std::string Sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr) != 1)
    return "";
  std::string digits;
  for (unsigned int i = 0; i < size; ++i) {
    digits += "0123456789abcdef"[hash[i] >> 4];
    digits += "0123456789abcdef"[hash[i] & 15];
  }
  return digits;
}

std::string FormatOf(const std::vector<File>& files) {
  for (const std::string_view ending : {"safetensors", "onnx"}) {
    if (std::ranges::any_of(files, [&](const File& f) { return f.path.ends_with(ending); }))
      return std::string(ending);
  }
  return "";
}

}  // namespace

std::optional<ModelFiles> LookAtModelFiles(const std::string& folder, std::stop_token stop) {
  Walk walk(folder, std::move(stop));
  std::vector<File> files = walk.TakeFiles();
  if (files.empty() || walk.was_stopped()) return std::nullopt;
  std::ranges::sort(files, {}, &File::path);
  ModelFiles out{.format = FormatOf(files)};
  std::string lines;
  for (const File& file : files) {
    out.bytes += file.bytes;
    out.newest = std::max(out.newest, file.written);
    lines += StrCat(file.path, ' ', file.bytes, ' ', file.content, '\n');
  }
  out.digest = Sha256(lines);
  return out;
}

std::string IsoTime(system_clock::time_point time) {
  const std::time_t seconds = system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text;
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace akin::server

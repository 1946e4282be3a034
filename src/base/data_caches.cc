#include "base/data_caches.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>

#include "base/strings.h"
#include "base/thread_count.h"

namespace akin {
namespace {

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "1024K" -> 1048576
std::optional<int64_t> ParseSize(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number <= 0) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit == "K") return number << 10;
  if (unit == "M") return number << 20;
  return unit.empty() ? std::optional(number) : std::nullopt;
}

}  // namespace

std::vector<DataCache> ListDataCachesIn(const std::string& root) {
  constexpr int kMostCaches = 8;
  std::vector<DataCache> caches;
  for (int i = 0; i < kMostCaches; ++i) {
    const std::string folder = StrCat(root, "/sys/devices/system/cpu/cpu0/cache/index", i, '/');
    const std::string level = FirstLine(folder + "level"), type = FirstLine(folder + "type");
    const auto bytes = ParseSize(FirstLine(folder + "size"));
    if (level.empty() || !bytes || type == "Instruction") continue;
    const int sharers = CountCpuList(FirstLine(folder + "shared_cpu_list"));
    caches.push_back({StrCat('L', level, type == "Data" ? "d" : ""), *bytes, std::max(1, sharers)});
  }
  return caches;
}

std::vector<DataCache> ListDataCaches() { return ListDataCachesIn(""); }

}  // namespace akin

#include "base/huge_pages.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace akin {
namespace {

constexpr uintptr_t kHugePage = uintptr_t{2} << 20;

std::string OwnMaps() {
  std::ifstream file("/proc/self/maps");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string_view NextField(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view field = line.substr(0, line.find(' '));
  line.remove_prefix(field.size());
  return field;
}

// "7f10c0000000-7f10c0021000 rw-p 00000000 00:00 0 [heap]"; nothing for memory of another kind.
std::optional<AddressRange> ParseLine(std::string_view line) {
  const std::string_view range = NextField(line), access = NextField(line);
  NextField(line);  // Offset, device.
  NextField(line);
  const std::string_view inode = NextField(line), name = NextField(line);
  if (access != "rw-p" || inode != "0" || (!name.empty() && name != "[heap]")) return std::nullopt;
  AddressRange out;
  const char* const end = range.data() + range.size();
  const auto first = std::from_chars(range.data(), end, out.begin, 16);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, out.end, 16);
  if (second.ec != std::errc() || second.ptr != end || out.end <= out.begin) return std::nullopt;
  return out;
}

}  // namespace

std::vector<AddressRange> AnonymousRanges(std::string_view maps) {
  std::vector<AddressRange> ranges;
  while (!maps.empty()) {
    const std::string_view line = maps.substr(0, maps.find('\n'));
    maps.remove_prefix(std::min(line.size() + 1, maps.size()));
    if (const auto range = ParseLine(line)) ranges.push_back(*range);
  }
  return ranges;
}

std::vector<AddressRange> Added(const std::vector<AddressRange>& before,
                                const std::vector<AddressRange>& now) {
  std::vector<AddressRange> added;
  auto old = before.begin();
  for (AddressRange range : now) {
    while (old != before.end() && old->end <= range.begin) ++old;
    for (auto next = old; next != before.end() && next->begin < range.end; ++next) {
      if (next->begin > range.begin) added.push_back({range.begin, next->begin});
      range.begin = std::max(range.begin, next->end);
    }
    if (range.begin < range.end) added.push_back(range);
  }
  return added;
}

#ifdef __linux__

NewMemory::NewMemory() : before_(AnonymousRanges(OwnMaps())) {}

size_t NewMemory::UseHugePages() const {
#ifndef MADV_COLLAPSE
  constexpr int MADV_COLLAPSE = 25;  // Linux 6.1; refused by older ones.
#endif
  size_t bytes = 0;
  for (const AddressRange& range : Added(before_, AnonymousRanges(OwnMaps()))) {
    const uintptr_t begin = (range.begin + kHugePage - 1) / kHugePage * kHugePage;
    const uintptr_t end = range.end / kHugePage * kHugePage;
    if (begin >= end) continue;
    // Advice: what the system does not do leaves the memory as it is.
    if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE) != 0) continue;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_COLLAPSE);
    bytes += end - begin;
  }
  return bytes;
}

#else

NewMemory::NewMemory() = default;
size_t NewMemory::UseHugePages() const { return 0; }

#endif

}  // namespace akin

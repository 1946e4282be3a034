#include "base/process_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>

namespace akin {
namespace {

std::string ReadWhole(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What stands before `end`, which is taken off with it.
std::string_view TakeUntil(std::string_view& text, char end) {
  const size_t at = text.find(end);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == text.npos ? text.size() : at + 1);
  return part;
}

uint64_t Hexadecimal(std::string_view digits) {
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

}  // namespace

int64_t KilobytesOf(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = TakeUntil(text, '\n');
    if (!line.starts_with(name)) continue;
    line.remove_prefix(name.size());
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    int64_t kilobytes = -1;
    std::from_chars(line.data(), line.data() + line.size(), kilobytes);
    return kilobytes < 0 ? -1 : kilobytes << 10;
  }
  return -1;
}

int64_t MappedFileBytes(std::string_view maps) {
  uint64_t bytes = 0;
  while (!maps.empty()) {
    // 55d0c0a00000-55d0c0b00000 r-xp 00001000 fe:00 1234   /usr/bin/akin
    std::string_view line = TakeUntil(maps, '\n');
    const bool is_file = line.find('/') != line.npos;
    std::string_view range = TakeUntil(line, ' ');
    if (!is_file) continue;
    const uint64_t begin = Hexadecimal(TakeUntil(range, '-'));
    bytes += Hexadecimal(range) - begin;
  }
  return static_cast<int64_t>(bytes);
}

std::optional<ProcessMemory> ReadProcessMemory() {
  // Exact; VmRSS of /proc/self/status may be some pages a CPU behind.
  const std::string rollup = ReadWhole("/proc/self/smaps_rollup");
  const std::string status = ReadWhole("/proc/self/status");
  const ProcessMemory memory{.resident_bytes = KilobytesOf(rollup, "Rss:"),
                             .peak_bytes = KilobytesOf(status, "VmHWM:"),
                             .anonymous_bytes = KilobytesOf(rollup, "Anonymous:"),
                             .program_file_bytes = MappedFileBytes(ReadWhole("/proc/self/maps"))};
  if (memory.resident_bytes < 0 || memory.peak_bytes < 0 || memory.anonymous_bytes < 0)
    return std::nullopt;
  return memory;
}

}  // namespace akin

// What this process holds of memory, as the system says it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace akin {

struct ProcessMemory {
  int64_t resident_bytes = 0;
  int64_t peak_bytes = 0;       // The most that it ever was.
  int64_t anonymous_bytes = 0;  // Of resident_bytes: what is no part of a file.
  // Of the program and its libraries, all that is mapped, in memory or not.
  int64_t program_file_bytes = 0;
};

// None where the system does not say (other than Linux).
std::optional<ProcessMemory> ReadProcessMemory();

// The parts of it: of "Rss:  1324 kB" in a text like /proc/self/smaps_rollup the value of "Rss:",
// in bytes; -1: it is not there. And the sizes of what a text like /proc/self/maps has of files.
int64_t KilobytesOf(std::string_view text, std::string_view name);
int64_t MappedFileBytes(std::string_view maps);

}  // namespace akin

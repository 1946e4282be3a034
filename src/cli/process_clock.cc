#include "cli/process_clock.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace akin::cli {

std::optional<double> MillisecondsSinceProcessStart() {
#ifdef __linux__
  std::ifstream stat("/proc/self/stat");
  std::string text;
  std::getline(stat, text);
  // proc(5): field 22 is the start time in clock ticks after boot. Field 2, the program's name in
  // parentheses, may hold spaces, so counting begins behind it, with field 3.
  const size_t name_end = text.rfind(')');
  if (name_end == text.npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22 && fields >> field; ++i) continue;
  timespec now = {};
  if (!fields || clock_gettime(CLOCK_BOOTTIME, &now) != 0) return std::nullopt;
  const double started = std::stod(field) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return (static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 - started) *
         1e3;
#else
  return std::nullopt;
#endif
}

int64_t PeakMemoryBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return usage.ru_maxrss;
#else
  return int64_t{usage.ru_maxrss} * 1024;
#endif
}

std::string UtcNow() {
  const time_t now = time(nullptr);
  tm utc = {};
  char text[32] = "";
  if (gmtime_r(&now, &utc) != nullptr) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace akin::cli

#include "base/cache_folder.h"

#include <cstdlib>

namespace akin {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string CacheFolder() {
  if (std::string cache = Environment("AKIN_CACHE"); !cache.empty()) return cache;
  if (const std::string xdg = Environment("XDG_CACHE_HOME"); !xdg.empty()) return xdg + "/akin";
  if (const std::string home = Environment("HOME"); !home.empty()) return home + "/.cache/akin";
  return "";
}

}  // namespace akin

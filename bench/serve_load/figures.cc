#include "serve_load/figures.h"

#include <cstdio>

#include "server/json_writer.h"

namespace akin::bench {

void Figures::Row(const std::string& name) {
  std::printf("%s\n", name.c_str());
  row_ = name;
}

void Figures::Add(const std::string& name, double value, int digits) {
  std::printf("  %-26s %12.*f\n", name.c_str(), digits, value);
  std::fflush(stdout);
  if (!json_.empty()) json_ += ',';
  server::JsonObject(json_).Add("case", row_).Add("figure", name).Add("value", value);
}

void Figures::Fail(const std::string& why) {
  failed_ = true;
  std::printf("FAILED: %s\n", why.c_str());
}

std::optional<std::string> FindGrowth(const std::string& what, double early, double late) {
  // Not read: that must not pass for something that does not grow.
  if (early <= 0 || late <= 0) return "the server's " + what + " could not be read";
  if (late <= early * (1 + kMostGrowth)) return std::nullopt;
  char text[160];
  std::snprintf(text, sizeof text,
                "%s: grown from %.1f to %.1f, by %.1f %%; expected at most %.0f %%", what.c_str(),
                early, late, 100 * (late / early - 1), 100 * kMostGrowth);
  return text;
}

}  // namespace akin::bench

#include "server/config_file.h"

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <optional>

#include "server/text.h"

namespace akin::server {
namespace {

std::optional<std::string> ScalarText(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return std::nullopt;
}

Error WrongValue(const std::string& path, const ConfigEntry& entry) {
  return InvalidInput(
      path, ", line ", entry.line, ": ", entry.key,
      " is expected to be a string, a whole number, true or false, or a list of them");
}

}  // namespace

Result<std::vector<ConfigEntry>> ParseConfigFile(const std::string& content,
                                                 const std::string& path) {
  const toml::parse_result parsed = toml::parse(content, path);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return InvalidInput(path, ", line ", error.source().begin.line, ": ", error.description());
  }
  std::vector<ConfigEntry> entries;
  for (const auto& [key, node] : parsed.table()) {
    ConfigEntry entry{.key = std::string(key.str()),
                      .line = static_cast<int>(node.source().begin.line)};
    std::ranges::replace(entry.key, '_', '-');
    if (const auto* list = node.as_array()) {
      for (const toml::node& item : *list) {
        const auto text = ScalarText(item);
        if (!text) return WrongValue(path, entry);
        entry.values.push_back(*text);
      }
    } else {
      const auto text = ScalarText(node);
      if (!text) return WrongValue(path, entry);
      entry.values.push_back(*text);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace akin::server

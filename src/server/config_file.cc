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

Error WrongValue(const std::string& path, const ConfigEntry& entry, const ConfigValues& values_of) {
  const std::string values = values_of(entry.key);
  return InvalidInput(path, ", line ", entry.line, ": ", entry.key, ": expected ",
                      values.empty() ? "a text in quotes, a whole number, true or false" : values);
}

std::string_view LineOf(std::string_view content, size_t line) {
  for (size_t i = 1; i < line; ++i) {
    const size_t end = content.find('\n');
    if (end == content.npos) return "";
    content.remove_prefix(end + 1);
  }
  std::string_view found = content.substr(0, content.find('\n'));
  if (found.ends_with('\r')) found.remove_suffix(1);
  return found;
}

// The first line that gives `key` a value; there is one.
size_t LineWithKey(std::string_view content, std::string_view key) {
  for (size_t number = 1;; ++number) {
    const size_t end = content.find('\n');
    const std::string_view line = content.substr(0, end);
    std::string found(Trimmed(line.substr(0, line.find('='))));
    std::ranges::replace(found, '_', '-');
    if (found == key || end == content.npos) return number;
    content.remove_prefix(end + 1);
  }
}

// What is no TOML. The parser knows no options; a key in front of the fault says what would do.
Error WrongSyntax(const std::string& content, const std::string& path,
                  const toml::parse_error& error, const ConfigValues& values_of) {
  const auto number = static_cast<size_t>(error.source().begin.line);
  const std::string_view line = content.empty() ? "" : LineOf(content, number);
  const size_t equals = line.find('=');
  std::string key(Trimmed(line.substr(0, equals)));
  std::ranges::replace(key, '_', '-');
  const std::string values = equals == line.npos || key.empty() ? std::string() : values_of(key);
  if (values.empty()) return InvalidInput(path, ", line ", number, ": ", error.description());
  if (const size_t first = LineWithKey(content, key); first < number)
    return InvalidInput(path, ", line ", number, ": ", key, " is given twice, first in line ",
                        first);
  const std::string_view value = Trimmed(line.substr(equals + 1)).substr(0, 50);
  return InvalidInput(
      path, ", line ", number, ": ", key, ": ",
      value.empty() ? std::string("no value") : StrCat(value, " is no value of TOML"),
      ", expected ", values);
}

}  // namespace

Result<std::vector<ConfigEntry>> ParseConfigFile(const std::string& content,
                                                 const std::string& path,
                                                 const ConfigValues& values_of) {
  const toml::parse_result parsed = toml::parse(content, path);
  if (!parsed) {
    return WrongSyntax(content, path, parsed.error(), values_of);
  }
  std::vector<ConfigEntry> entries;
  for (const auto& [key, node] : parsed.table()) {
    ConfigEntry entry{.key = std::string(key.str()),
                      .line = static_cast<int>(node.source().begin.line)};
    if (node.is_table() || node.is_array_of_tables()) {
      return InvalidInput(path, ", line ", entry.line, ": ", entry.key,
                          ": there are no sections; options stand for themselves, as port = 8080");
    }
    std::ranges::replace(entry.key, '_', '-');
    if (const auto* list = node.as_array()) {
      for (const toml::node& item : *list) {
        const auto text = ScalarText(item);
        if (!text) return WrongValue(path, entry, values_of);
        entry.values.push_back(*text);
      }
    } else {
      const auto text = ScalarText(node);
      if (!text) return WrongValue(path, entry, values_of);
      entry.values.push_back(*text);
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace akin::server

#include "model/route_choice.h"

#include <algorithm>
#include <array>
#include <utility>

namespace akin::model {
namespace {

constexpr std::string_view kText = "text";

// A route of the name of another modality is one that no text takes.
bool IsOtherModality(std::string_view name) {
  constexpr std::array<std::string_view, 4> kOthers = {"image", "audio", "video", "message"};
  return std::ranges::find(kOthers, name) != kOthers.end();
}

// Python's literals, as far as keys have them.
class TupleReader {
 public:
  explicit TupleReader(std::string_view text) : text_(text) {}

  bool Take(char expected) {
    SkipSpaces();
    if (text_.empty() || text_.front() != expected) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool AtEnd() {
    SkipSpaces();
    return text_.empty();
  }
  bool TakeNone() {
    SkipSpaces();
    if (!text_.starts_with("None")) return false;
    text_.remove_prefix(4);
    return true;
  }
  std::optional<std::string> TakeString() {
    for (const char quote : {'\'', '"'}) {
      if (!Take(quote)) continue;
      std::string value;
      for (; !text_.empty() && text_.front() != quote; text_.remove_prefix(1)) {
        if (text_.front() == '\\') return std::nullopt;  // No name of a task has what needs one.
        value += text_.front();
      }
      if (!Take(quote)) return std::nullopt;
      return value;
    }
    return std::nullopt;
  }
  // ('image', 'text') or ('text',).
  bool TakeStrings() {
    if (!Take('(')) return false;
    while (TakeString()) {
      const bool more = Take(',');
      if (Take(')')) return true;
      if (!more) return false;
    }
    return false;
  }

 private:
  void SkipSpaces() {
    while (text_.starts_with(' ')) text_.remove_prefix(1);
  }
  std::string_view text_;
};

}  // namespace

std::optional<MappingKey> ParseMappingKey(std::string_view key) {
  TupleReader reader(key);
  MappingKey result;
  if (!reader.Take('(')) return std::nullopt;
  if (!reader.TakeNone()) {
    result.task = reader.TakeString();
    if (!result.task) return std::nullopt;
  }
  if (!reader.Take(',')) return std::nullopt;
  if (!reader.TakeNone()) {
    result.modality = reader.TakeString();
    result.is_for_texts = result.modality == kText;
    if (!result.modality && !reader.TakeStrings()) return std::nullopt;
  }
  if (!reader.Take(')') || !reader.AtEnd()) return std::nullopt;
  return result;
}

bool RouteChoice::Has(std::string_view route) const {
  return std::ranges::find(routes, route) != routes.end();
}

std::optional<std::string> RouteChoice::Of(std::optional<std::string_view> task) const {
  const auto mapped = [&](const auto& of_task, const auto& modality) {
    return std::ranges::find_if(mappings, [&](const Mapping& mapping) {
      return mapping.task == of_task && mapping.modality == modality;
    });
  };
  using Name = std::optional<std::string_view>;
  const std::array<std::pair<Name, Name>, 4> keys = {
      {{task, kText}, {task, {}}, {{}, kText}, {{}, {}}}};
  for (const auto& [of_task, modality] : keys) {
    if (const auto found = mapped(of_task, modality); found != mappings.end()) return found->route;
  }
  if (task && Has(*task)) return std::string(*task);
  if (Has(kText)) return std::string(kText);
  return std::nullopt;
}

Routes RouteChoice::OfTexts() const {
  Routes result;
  result.default_name = Of(std::nullopt).value_or(default_route);
  const auto add = [&](const std::string& task) {
    if (std::ranges::find(result.tasks, task, &Routes::Task::name) != result.tasks.end()) return;
    result.tasks.push_back({task, Of(task).value_or(default_route)});
  };
  for (const std::string& route : routes) {
    if (!IsOtherModality(route)) add(route);
  }
  for (const Mapping& mapping : mappings) {
    if (mapping.task) add(*mapping.task);
  }
  for (const std::string& route : routes) {
    const bool taken =
        std::ranges::find(result.tasks, route, &Routes::Task::route) != result.tasks.end();
    if (taken || route == result.default_name) result.names.push_back(route);
  }
  return result;
}

}  // namespace akin::model

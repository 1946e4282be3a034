#include "server/api/options.h"

#include <algorithm>
#include <array>

#include "server/text.h"

namespace akin::server {
namespace {

// What Cohere calls input_type and Jina task, and what models call their prompts for it.
struct Task {
  std::array<std::string_view, 2> names;
  std::array<std::string_view, 4> prompts;
};
constexpr Task kTasks[] = {
    {{"search_query", "retrieval.query"}, {"search_query", "retrieval.query", "query", ""}},
    {{"search_document", "retrieval.passage"},
     {"search_document", "retrieval.passage", "document", "passage"}},
    {{"classification", "classification"}, {"classification", "Classification", "", ""}},
    {{"clustering", "separation"}, {"clustering", "separation", "Clustering", ""}},
    {{"text-matching", "text-matching"}, {"text-matching", "STS", "similarity", ""}},
};

}  // namespace

Result<std::optional<int>> ReadPositive(const JsonRequest& body, std::string_view key) {
  AKIN_TRY_ASSIGN(const auto number, body.Int(key));
  if (!number) return std::optional<int>();
  if (*number < 1 || *number > INT32_MAX) {
    return InvalidField(key, " is ", *number, ", expected a positive number");
  }
  return std::optional<int>(static_cast<int>(*number));
}

Result<std::optional<int>> ReadDimensions(const JsonRequest& body, std::string_view key) {
  AKIN_TRY_ASSIGN(const auto number, body.Int(key));
  if (!number) return std::optional<int>();
  return std::optional<int>(static_cast<int>(std::clamp<int64_t>(*number, 0, INT32_MAX)));
}

Result<std::optional<TruncationSide>> ReadSide(const JsonRequest& body, std::string_view key) {
  AKIN_TRY_ASSIGN(const auto side, body.String(key));
  if (!side) return std::optional<TruncationSide>();
  if (EqualIgnoringCase(*side, "right")) return std::optional(TruncationSide::kRight);
  if (EqualIgnoringCase(*side, "left")) return std::optional(TruncationSide::kLeft);
  return InvalidField(key, " is expected to be left or right");
}

Result<Overflow> ReadTruncate(const JsonRequest& body, std::string_view key, bool fallback) {
  AKIN_TRY_ASSIGN(const auto truncate, body.Bool(key));
  return truncate.value_or(fallback) ? Overflow::kTruncate : Overflow::kError;
}

Status ReadAdditions(const JsonRequest& body, EmbedOptions& options) {
  AKIN_TRY_ASSIGN(const auto overflow, body.String("overflow"));
  if (overflow) {
    AKIN_TRY_ASSIGN(options.overflow, ParseOverflow(overflow->substr(0, 50)));
    if (options.overflow == Overflow::kChunks || options.overflow == Overflow::kLate) {
      return InvalidField("overflow", " is \"", *overflow,
                          "\", which gives a text several vectors; expected truncate, error or "
                          "average");
    }
  }
  AKIN_TRY_ASSIGN(const auto prompt, body.String("prompt_name"));
  options.prompt_name = prompt.value_or("");
  AKIN_TRY_ASSIGN(const auto side, ReadSide(body, "truncation_side"));
  if (side) options.truncation_side = side;
  return {};
}

Result<std::string_view> PromptOf(const ModelInfo& info, std::string_view name) {
  if (name.empty()) name = info.default_prompt_name;
  if (name.empty()) return std::string_view();
  const auto found = std::ranges::find(info.prompts, name, &NamedPrompt::name);
  if (found != info.prompts.end()) return std::string_view(found->text);
  return InvalidField("prompt_name", " is \"", name.substr(0, 50), "\"; the model has ",
                      info.prompts.size(), " prompts, none of that name");
}

std::vector<std::string> PromptsOfTask(std::string_view task) {
  std::vector<std::string> prompts;
  for (const Task& row : kTasks) {
    if (row.names[0] != task && row.names[1] != task) continue;
    for (const std::string_view prompt : row.prompts) {
      if (!prompt.empty()) prompts.emplace_back(prompt);
    }
  }
  return prompts;
}

}  // namespace akin::server

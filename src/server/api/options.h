// Options that several dialects have, under their own names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/model_info.h"
#include "akin/options.h"
#include "akin/result.h"

#include "server/json_reader.h"

namespace akin::server {

// A number of at least 1. Error: InvalidInput.
Result<std::optional<int>> ReadPositive(const JsonRequest& body, std::string_view key);

// Any number, for CheckDimensions to judge; what is far out of range stays so.
Result<std::optional<int>> ReadDimensions(const JsonRequest& body, std::string_view key);

// "left" or "right" under `key`, in any case.
Result<std::optional<TruncationSide>> ReadSide(const JsonRequest& body, std::string_view key);

// A boolean under `key` (`fallback` without it): cut what is too long, or refuse it.
Result<Overflow> ReadTruncate(const JsonRequest& body, std::string_view key, bool fallback);

// Our own additions to every embedding route: "overflow" ("truncate", "error", "average") wins over
// what the dialect has read; "prompt_name"; "truncation_side".
Status ReadAdditions(const JsonRequest& body, EmbedOptions& options);

// The text of a prompt; of the model's default one for an empty name. Error: InvalidInput.
Result<std::string_view> PromptOf(const ModelInfo& info, std::string_view name);

// The names under which models know the prompt of a task, the likeliest first: "search_query",
// "retrieval.query" -> "query". Empty: no such task.
std::vector<std::string> PromptsOfTask(std::string_view task);

}  // namespace akin::server

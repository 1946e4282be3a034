// Lists of options in one word: "key=value,key=value".
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/result.h"

namespace akin {

using KeyValues = std::vector<std::pair<std::string, std::string>>;

// Cuts `text` at the commas that no backslash stands before, and takes those backslashes away.
std::vector<std::string> SplitAtCommas(std::string_view text);

// Each of `parts` is "key=value"; the value may be empty. Error: InvalidInput, beginning with
// `object` and ending with the `form` that was expected.
Result<KeyValues> ParseKeyValues(std::string_view object, std::string_view form,
                                 std::span<const std::string> parts);

}  // namespace akin

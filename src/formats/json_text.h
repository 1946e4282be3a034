// JSON out: what a message to another program needs.
#pragma once

#include <string>
#include <string_view>

namespace akin::formats {

// Appends `text`, which is UTF-8, in quotes.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace akin::formats

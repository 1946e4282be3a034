#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace akin::formats {

// The bytes of a text in the standard alphabet, with its padding; unset: it is none.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace akin::formats

// What `akin bench` measures when no file is given: English sentences of 3 to 40 words.
#pragma once

#include <span>
#include <string_view>

namespace akin::cli {

std::span<const std::string_view> BuiltInTexts();

}  // namespace akin::cli

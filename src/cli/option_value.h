// Errors of an option's value that only a parser of the library finds wrong.
#pragma once

#include <string_view>
#include <utility>

#include "akin/result.h"

#include "cli/strings.h"

namespace akin::cli {

// Puts the option in front of what is wrong with its value. By it the value's error is found to be
// that of a variable of the environment (app.cc) or of a key of the file (serve_command.cc).
template <typename T>
Result<T> ValueOf(std::string_view option, Result<T> parsed) {
  if (parsed || parsed.error().message().starts_with(option)) return parsed;
  return parsed.error().Reworded(StrCat(option, ": ", parsed.error().message()));
}

}  // namespace akin::cli

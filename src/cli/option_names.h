// The library's errors name fields of its own options; who typed options is told those.
#pragma once

#include "akin/result.h"

namespace akin::cli {

// "max_tokens is 600, expected ..." becomes "--max-tokens is 600, expected ...". Errors of what a
// line of input says, which begin with its place, stay as they are.
Error WithOptionNames(const Error& error);

}  // namespace akin::cli

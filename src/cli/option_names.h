// The library's errors name fields of its own options; who typed options is told those.
#pragma once

#include "akin/result.h"

namespace akin::cli {

// "max_tokens is 600, expected ..." becomes "--max-tokens is 600, expected ...", also behind the
// place of a text ("text 1: ", "texts.jsonl, line 3: ") unless the line itself may have said it.
Error WithOptionNames(const Error& error);

}  // namespace akin::cli

// Any bytes as a regular expression and a text.
#include <cstdint>
#include <string_view>

#include "fuzz/tokenizer_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::MatchRegex({reinterpret_cast<const char*>(data), size});
  return 0;
}

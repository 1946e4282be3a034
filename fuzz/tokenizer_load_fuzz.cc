// Any bytes as a tokenizer.json: it loads or is refused, and what loads encodes and decodes.
#include <cstdint>
#include <string_view>

#include "fuzz/tokenizer_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::LoadTokenizer({reinterpret_cast<const char*>(data), size});
  return 0;
}

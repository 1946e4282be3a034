// Any bytes as options and text for tokenizers that are known to load.
#include <cstdint>
#include <string_view>

#include "fuzz/tokenizer_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::EncodeText({reinterpret_cast<const char*>(data), size});
  return 0;
}

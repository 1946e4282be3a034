// Any bytes as a quantization_ranges.json: what is read quantizes a vector without harm.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/module_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::LoadRanges({reinterpret_cast<const char*>(data), size});
  return 0;
}

// Any bytes as a config.json: it is read or refused, and what is read holds what the encoder needs.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/model_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::LoadConfig({reinterpret_cast<const char*>(data), size});
  return 0;
}

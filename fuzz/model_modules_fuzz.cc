// Any bytes as the JSON files of a model folder's modules: they are read or refused.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/module_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::LoadModules({reinterpret_cast<const char*>(data), size});
  return 0;
}

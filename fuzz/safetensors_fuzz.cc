// Any bytes as a safetensors file.
#include <cstdint>
#include <span>

#include "fuzz/safetensors_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  akin::fuzz::ReadSafetensors(std::as_bytes(std::span(data, size)));
  return 0;
}

// What the fuzzer of safetensors files runs. Apart from its main function, so that a plain test
// replays the corpus with any compiler.
#pragma once

#include <cstddef>
#include <span>

namespace akin::fuzz {

// `file` is read as a safetensors file: refused, or everything that its reader promises holds.
void ReadSafetensors(std::span<const std::byte> file);

}  // namespace akin::fuzz

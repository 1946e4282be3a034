// What the fuzzer of ONNX files runs. Apart from its main function, so that a plain test replays
// the corpus with any compiler.
#pragma once

#include <cstddef>
#include <span>

namespace akin::fuzz {

// `file` is read as an ONNX file: refused, or everything that its reader promises holds.
void ReadOnnx(std::span<const std::byte> file);

}  // namespace akin::fuzz

// What the fuzzer of ONNX graphs runs; see tokenizer_targets.h.
#pragma once

#include <string_view>

namespace akin::fuzz {

// `input` is a config.json, a zero byte, and a model.onnx. The file's graph is matched with the
// architecture: refused, or it has every weight of the encoder and of its head. Returns whether
// both are known.
bool LoadOnnxGraph(std::string_view input);

}  // namespace akin::fuzz

// The element types of ONNX's tensors: their names, their sizes, and where values are stored.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "formats/onnx.h"

namespace akin::formats {

// The field of TensorProto that holds a type's values where they are not raw.
uint32_t OnnxTypedField(OnnxType type);

// dims and type -> bytes; nothing when there is no 64-bit number of them.
std::optional<uint64_t> OnnxNumBytes(std::span<const int64_t> dims, uint64_t bits);

}  // namespace akin::formats

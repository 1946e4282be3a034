// The model's linear layers in the layout of the kernels.
#pragma once

#include <initializer_list>

#include "kernels/kernels.h"
#include "model/weights.h"

namespace akin::encoder {

// Packs linear layers with the same input, their outputs side by side (query | key | value), into
// `memory`, which has room for kernels::PackedBytes and is 64-byte aligned.
kernels::PackedLinear PackLinear(const kernels::Kernels& kernels,
                                 std::initializer_list<const model::Linear*> parts,
                                 std::byte* memory);

}  // namespace akin::encoder

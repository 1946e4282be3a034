#pragma once

#include "kernels/kernels.h"

namespace akin::kernels::scalar {

AttentionKernels<float> AttentionF32();
AttentionKernels<Bf16> AttentionBf16();
PatternedAttentionKernels<float> PatternedAttentionF32();
PatternedAttentionKernels<Bf16> PatternedAttentionBf16();

}  // namespace akin::kernels::scalar

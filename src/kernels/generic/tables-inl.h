// A tier's entries of the table for rows in f32.
#pragma once

#include "kernels/generic/attention-inl.h"
#include "kernels/generic/linear-inl.h"
#include "kernels/generic/norm-inl.h"
#include "kernels/generic/patterned_attention-inl.h"
#include "kernels/generic/rotary-inl.h"

void AttentionF32(const AttentionArgs<float>& args) {
  AttendTo<F32Product>(args, args.context.f32);
}

void PatternedAttentionF32(const AttentionArgs<float>& args,
                           const AttentionPattern<float>& pattern) {
  AttendWithPattern<F32Product>(args, pattern, args.context.f32);
}

// The products of kernels.requested. Weights in fewer bits save memory traffic where their
// precision has no arithmetic of its own; products of integers stay with the tier below.
void UseF32Rows(Kernels& kernels) {
  switch (kernels.requested) {
    case Precision::kAuto:
    case Precision::kF16:  // Refused by SelectKernels.
    case Precision::kF32:
    case Precision::kBf16x3:
      kernels.precision = Precision::kF32;
      kernels.linear = LinearKernelsFor<F32Product>();
      break;
    case Precision::kBf16: kernels.linear = LinearKernelsFor<Bf16WeightsProduct>(); break;
    case Precision::kW8: kernels.linear = LinearKernelsFor<Int8WeightsProduct>(); break;
    case Precision::kInt16:
    case Precision::kInt8: break;
  }
  kernels.attention = {.attention = AttentionF32,
                       .scratch_floats = AttentionScratchFloats<F32Product>};
  kernels.attention_bf16 = {};
  kernels.patterned_attention = {.attention = PatternedAttentionF32,
                                 .scratch_floats = PatternScratchFloats<F32Product>};
  kernels.patterned_attention_bf16 = {};
  kernels.layer_norm = LayerNorm;
  kernels.rms_norm = RmsNorm;
  kernels.rotate = Rotate;
}

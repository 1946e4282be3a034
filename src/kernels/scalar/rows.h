// What is done to rows one by one.
#pragma once

#include "kernels/kernels.h"

namespace akin::kernels::scalar {

void LayerNorm(const NormArgs& args);
void RmsNorm(const NormArgs& args);
void Rotate(const RotaryArgs& args);

}  // namespace akin::kernels::scalar

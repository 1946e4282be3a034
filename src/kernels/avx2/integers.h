#pragma once

#include "kernels/kernels.h"

namespace akin::kernels {

// The products of Precision::kInt8 (x86-64 builds only).
LinearKernels Avx2Int8Linear();

}  // namespace akin::kernels

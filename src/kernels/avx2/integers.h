#pragma once

#include "kernels/kernels.h"

namespace akin::kernels {

// The products of Precision::kInt8 and kInt16 (x86-64 builds only).
LinearKernels Avx2Int8Linear();
LinearKernels Avx2Int16Linear();

}  // namespace akin::kernels

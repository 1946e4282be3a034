// Products of integers with VNNI. Included like vec.h, after it and rotation.h.
#pragma once

#include "kernels/generic/integer_products-inl.h"

// In assembly: GCC 12 keeps what the intrinsics return in memory as well as in a register.
struct Vnni {
  static AKIN_INLINE Dwords MulAddPairs(Dwords sum, Dwords x, Dwords w) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(x.v), "v"(w.v));
    return sum;
  }
  static AKIN_INLINE Dwords MulAddBytes(Dwords sum, Dwords x, Dwords w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(x.v), "v"(w.v));
    return sum;
  }
};

// Code for one instruction set stands between AKIN_TARGET_BEGIN("avx2,fma") and AKIN_TARGET_END,
// below all includes of standard headers and in an anonymous namespace. No file is built with
// -mavx2: under such a flag an inline function of the standard library may become the copy that the
// linker keeps for everyone, and crash an older CPU.
#pragma once

#define AKIN_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define AKIN_TARGET_BEGIN(features) \
  AKIN_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define AKIN_TARGET_END _Pragma("clang attribute pop")
#else
#define AKIN_TARGET_BEGIN(features) AKIN_PRAGMA(GCC push_options) AKIN_PRAGMA(GCC target(features))
#define AKIN_TARGET_END AKIN_PRAGMA(GCC pop_options)
#endif

// For the small functions that a kernel is made of: the call itself would cost more than the work.
#define AKIN_INLINE inline __attribute__((always_inline))

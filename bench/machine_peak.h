// The most operations a second that one thread of this machine does: independent multiply-adds on
// registers, nothing read from memory.
#pragma once

#include "akin/options.h"

namespace akin::bench {

// Of the instruction with which that tier multiplies in that precision: FMA, VDPBF16PS or VPDPBUSD.
// 0 where the tier has none. A multiplication and an addition are two operations.
double MeasuredPeak(Isa isa, Precision precision);

}  // namespace akin::bench

// What this machine can do at most, measured: the two sides of a roofline (Williams et al., 2009).
#pragma once

#include <cstddef>
#include <span>

#include "akin/options.h"

namespace akin::kernels {

// The most operations a second that one thread does: independent multiply-adds on registers,
// nothing read from memory, with the instruction by which that tier multiplies in that precision:
// FMA, VDPBF16PS, VPDPWSSD, VPDPBUSD, VPMADDWD and VPADDD, TDPBF16PS or TDPBUSD. 0 where no loop is
// written for the tier. A multiplication and an addition are two operations.
double MeasuredPeak(Isa isa, Precision precision);

// Whether VDPBF16PS, which this CPU must have, does clearly more multiply-adds a second than FMA.
// AMD's does twice as many (Zen 4, Zen 5), Intel's half as many (Emerald Rapids), whose bf16 is
// AMX's. Measured once, in a fifth of a millisecond; with such factors between them, noise decides
// nothing (docs/design/005-precisions.md).
bool Bf16ProductsPay();
// Likewise VPMADDWD with VPADDD, of AVX2: CPUs that start two products a cycle and have a third
// unit for additions do 1.4 times as many as FMA does, or more, and older ones as many.
bool Avx2Int16ProductsPay();

// Bytes a second at which this thread reads `memory`, again and again, with the widest loads of the
// tier: the bandwidth of the cache that holds it, or of the memory behind all caches.
double MeasuredReadRate(Isa isa, std::span<const std::byte> memory);

}  // namespace akin::kernels

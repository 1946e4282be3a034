// How the tests' messages show values of the library.
#pragma once

#include <ostream>

#include "akin/options.h"

namespace akin {

inline void PrintTo(Isa isa, std::ostream* out) { *out << IsaName(isa); }

inline void PrintTo(const LoadOptions& options, std::ostream* out) {
  *out << IsaName(options.isa) << ' ' << PrecisionName(options.precision);
}

}  // namespace akin

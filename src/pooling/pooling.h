// Token states -> sentence vector, as sentence-transformers' Pooling defines it.
#pragma once

#include <cstddef>
#include <span>

#include "akin/matrix_view.h"
#include "akin/options.h"

namespace akin::pooling {

// Pools the states of one segment, `states` [length, hidden_size], length >= 1, by each mode in
// turn into `vector` [modes * hidden_size]. `first_position` is the first one's place in its text,
// from 0: what weightedmean counts from.
void Pool(std::span<const PoolingMode> modes, MatrixView<const float> states, size_t first_position,
          std::span<float> vector);

// Scales `vector` to length 1; its norm is floored at 1e-12, so that zeros stay zeros. One that has
// length 1 but for rounding stays as it is: of two servers in a row both may normalize.
void Normalize(std::span<float> vector);

}  // namespace akin::pooling

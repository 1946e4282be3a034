// Token states -> sentence vector, as sentence-transformers' modules define it.
#pragma once

#include <span>
#include <vector>

#include "akin/matrix_view.h"

#include "model/sentence_modules.h"

namespace akin::pooling {

// Pools the states of one sequence, `states` [length, hidden_size], length >= 1, by each mode in
// turn into `vector` [modes * hidden_size].
void Pool(std::span<const model::PoolingMode> modes, MatrixView<const float> states,
          std::span<float> vector);

// Scales `vector` to length 1; its norm is floored at 1e-12, so that zeros stay zeros.
void Normalize(std::span<float> vector);

}  // namespace akin::pooling

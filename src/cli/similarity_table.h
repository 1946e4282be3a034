// A matrix of similarities that a person can read.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/matrix_view.h"

namespace akin::cli {

// Cosines of all pairs of rows, [n][n]; 0 beside a row of zeros.
std::vector<std::vector<double>> CosineMatrix(MatrixView<const float> vectors);

// Rows are labelled "1 The cat ...", columns by number; no line is wider than `width` while a label
// of ten columns and one value fit. A matrix with more columns than that is printed in parts.
std::string SimilarityTable(const std::vector<std::vector<double>>& matrix,
                            std::span<const std::string> labels, int width);

}  // namespace akin::cli

#include "cli/similarity_table.h"

#include <algorithm>
#include <cmath>

#include "cli/strings.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

constexpr int kValueColumns = 8;  // "  0.1234", "-0.1234" with a space.
constexpr int kDigits = 4;
constexpr int kLeastLabel = 10;
constexpr int kMostLabel = 48;

std::string RightAligned(std::string_view text, int columns) {
  return std::string(static_cast<size_t>(std::max(0, columns - DisplayWidth(text))), ' ') +
         std::string(text);
}

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// -0.0000 is no number that a person wants to see.
std::string ValueText(double value) {
  const std::string text = Fixed(value, kDigits);
  return text == "-0.0000" ? "0.0000" : text;
}

int LabelColumns(std::span<const std::string> labels, int available) {
  int longest = 0;
  for (const std::string& label : labels) longest = std::max(longest, DisplayWidth(label));
  return std::clamp(std::min(longest, available), 1, kMostLabel);
}

}  // namespace

std::vector<std::vector<double>> CosineMatrix(MatrixView<const float> vectors) {
  const size_t n = vectors.rows();
  std::vector<double> norms(n);
  for (size_t i = 0; i < n; ++i) norms[i] = std::sqrt(Dot(vectors.row(i), vectors.row(i)));
  std::vector<std::vector<double>> matrix(n, std::vector<double>(n));
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = i; j < n; ++j) {
      const double scale = norms[i] * norms[j];
      const double cosine = scale > 0 ? Dot(vectors.row(i), vectors.row(j)) / scale : 0;
      matrix[i][j] = matrix[j][i] = std::clamp(cosine, -1.0, 1.0);
    }
  }
  return matrix;
}

std::string SimilarityTable(const std::vector<std::vector<double>>& matrix,
                            std::span<const std::string> labels, int width) {
  const size_t n = matrix.size();
  const int number_columns = static_cast<int>(StrCat(n).size());
  const int label_columns =
      LabelColumns(labels, std::max(kLeastLabel, width / 2 - number_columns - 1));
  const int head_columns = number_columns + 1 + label_columns;
  const auto per_part = static_cast<size_t>(std::max(1, (width - head_columns) / kValueColumns));
  std::string out;
  for (size_t first = 0; first < n; first += per_part) {
    const size_t last = std::min(n, first + per_part);
    if (first > 0) out += '\n';
    out += std::string(static_cast<size_t>(head_columns), ' ');
    for (size_t j = first; j < last; ++j) out += RightAligned(StrCat(j + 1), kValueColumns);
    out += '\n';
    for (size_t i = 0; i < n; ++i) {
      out += StrCat(RightAligned(StrCat(i + 1), number_columns), ' ',
                    PadToWidth(labels[i], label_columns));
      for (size_t j = first; j < last; ++j) {
        out += RightAligned(ValueText(matrix[i][j]), kValueColumns);
      }
      out += '\n';
    }
  }
  return out;
}

}  // namespace akin::cli

#include "backends/onnxruntime/first_rows_check.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "akin/matrix_view.h"

#include "base/strings.h"

namespace akin::backends::onnxruntime {

Status CheckFirstRows(Rectangle& rectangle, const ShapeRules& rules, int64_t num_ids,
                      size_t width) {
  constexpr size_t kLengths[] = {9, 5};
  const size_t count = rules.one_sequence || rules.batch == 1 ? 1 : 2;
  std::vector<int32_t> ids, borders = {0};
  for (size_t s = 0; s < count; ++s) {
    for (size_t t = 0; t < kLengths[s]; ++t)
      ids.push_back(static_cast<int32_t>(static_cast<int64_t>(ids.size() * 7 + 1) % num_ids));
    borders.push_back(static_cast<int32_t>(ids.size()));
  }
  RaggedBatch batch{ids, {}, borders};
  std::vector<float> all(ids.size() * width), first(all.size());
  AKIN_TRY_ASSIGN(const Shape shape, rules.ShapeOf(batch, 0, count));
  AKIN_TRY(rectangle.Run(batch, 0, count, shape, all));
  batch.only_first_rows = true;
  AKIN_TRY(rectangle.Run(batch, 0, count, shape, first));
  constexpr float kBound = 1e-4f;  // Of the largest value; sums in another order differ by 1e-6.
  for (size_t s = 0; s < count; ++s) {
    const MatrixView<const float> expected(all.data() + batch.begin(s) * width, 1, width);
    const MatrixView<const float> found(first.data() + batch.begin(s) * width, 1, width);
    float largest = 0, difference = 0;
    for (size_t j = 0; j < width; ++j) {
      largest = std::max(largest, std::abs(expected(0, j)));
      difference = std::max(difference, std::abs(expected(0, j) - found(0, j)));
    }
    if (!(difference <= kBound * largest))
      return Internal("the rows of first tokens differ by ", difference);
  }
  return {};
}

}  // namespace akin::backends::onnxruntime

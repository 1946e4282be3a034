#pragma once

#include <cstddef>
#include <cstdint>

#include "akin/result.h"

#include "backends/onnxruntime/rectangle.h"
#include "backends/onnxruntime/shape_rules.h"

namespace akin::backends::onnxruntime {

// Runs two short sequences, of ids below `num_ids`, by a graph of first_rows.h both ways: first
// rows by themselves, of `width` values, are those among all rows but for rounding. Errors:
// Internal; those of Rectangle::Run.
Status CheckFirstRows(Rectangle& rectangle, const ShapeRules& rules, int64_t num_ids, size_t width);

}  // namespace akin::backends::onnxruntime

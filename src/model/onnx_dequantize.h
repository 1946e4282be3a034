// Weights that are stored as integers and that a graph makes numbers of again, found from the
// result backwards:
//
//   DequantizeLinear(q, scale [, zero point])
//   Cast(q) * scale, (Cast(q) - zero point) * scale     factors in either order
//
// q is an initializer, or rows that are looked up in one: Gather(q, ids). Behind either form there
// may be a Transpose of a matrix. Scales and zero points are constants: one, one a column or one a
// row. In f32 both forms are (q - zero point) * scale, and so are the numbers that are read here:
// the same bits.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx.h"
#include "model/onnx_file.h"
#include "model/onnx_values.h"

namespace akin::model {

// What each of a row of numbers belongs to.
enum class Spread { kUnknown, kAll, kColumns, kRows };

// A stored matrix of integers: value = (q - zero_point) * scale.
struct Quantization {
  const formats::OnnxTensor* scale = nullptr;
  const formats::OnnxTensor* zero_point = nullptr;
  Spread scales = Spread::kUnknown, zero_points = Spread::kAll;
};

struct Dequantized {
  const formats::OnnxTensor* matrix = nullptr;
  Quantization quantization;
  bool looked_up = false;  // Rows of it.
  bool turned = false;     // By a Transpose; not of rows that are looked up.
  // How many dimensions what is dequantized has, if that is known.
  std::optional<size_t> rank;
  std::vector<const formats::OnnxNode*> nodes;
};

// Nothing where `value` is made in another way. How scales and zero points are spread may still be
// unknown.
std::optional<Dequantized> FindDequantized(const OnnxFile& file, const ValueMap& values,
                                           std::string_view value);

// What numbers of shape `dims` belong to where they meet rows of `matrix` [.., columns] by the
// rules of broadcasting, from the last dimension on.
Spread BroadcastSpread(std::span<const int64_t> dims, const formats::OnnxTensor& matrix);

// "operator 'Add' (node 'n')"
std::string DescribeNode(const formats::OnnxNode& node);

// Where the weight `value` is made of a stored matrix in a way that is not known here, the node
// that is not understood, described; empty where no matrix is found, or where `value` depends on
// the graph's inputs, so that it is no weight.
std::string DescribeUnknownWeight(const OnnxFile& file, const ValueMap& values,
                                  std::string_view value);

}  // namespace akin::model

// Layers of a graph, as exporters write them out in operators, found from their result backwards:
//
//   linear       Gemm(x, W^T) with its bias; Add(MatMul(x, W), bias); the product quantized
//   GELU         Gelu(x); x * 0.5 * (1 + erf(x / sqrt(2))) in any order of the factors
//   layer norm   LayerNormalization; (x - mean) / sqrt(mean of squares + eps) * weight + bias
//   positions    of tokens that are no padding, counted (RoBERTa)
//
// Each says which nodes it is made of; whether others read what is inside of it is for the caller
// to see to.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "formats/onnx.h"
#include "model/onnx_file.h"
#include "model/onnx_values.h"

namespace akin::model {

struct OnnxPart {
  std::string_view input;  // The value that it reads.
  std::vector<const formats::OnnxNode*> nodes;
};

// x W^T + b.
struct OnnxLinear : OnnxPart {
  std::string_view name;  // Of the bias, without ".bias".
  const formats::OnnxTensor* weight = nullptr;
  const formats::OnnxTensor* bias = nullptr;
};

struct OnnxLayerNorm : OnnxPart {
  std::string_view name;  // Of the weight, without ".weight".
  std::string_view weight_value, bias_value;
  const formats::OnnxTensor* weight = nullptr;
  const formats::OnnxTensor* bias = nullptr;
  float eps = 0.0f;
};

// Borrows both. Each function returns nothing where `value` is made in another way.
class OnnxParts {
 public:
  OnnxParts(const OnnxFile& file, const ValueMap& values) : file_(file), values_(values) {}

  std::optional<OnnxLinear> Linear(std::string_view value) const;
  std::optional<OnnxPart> Gelu(std::string_view value) const;
  std::optional<OnnxLayerNorm> LayerNorm(std::string_view value) const;
  // The row of each token that is no padding: pad_token_id + how many of them there are up to it;
  // reads "input_ids".
  std::optional<OnnxPart> CountedPositions(std::string_view value, int pad_token_id) const;
  // The first of a text's rows: Gather(rows, 0, axis=1).
  std::optional<OnnxPart> FirstToken(std::string_view value) const;

  // The node that makes `value`, if it is this operator of ONNX's own with `num_inputs` inputs and
  // one output.
  const formats::OnnxNode* Made(std::string_view value, std::string_view op_type,
                                size_t num_inputs) const;

 private:
  struct Product;

  std::optional<double> ScalarOf(std::string_view value) const;
  bool IsScalar(std::string_view value, double wanted) const;
  // The other input of a sum or product of which one is `wanted`.
  std::optional<std::string_view> Beside(const formats::OnnxNode& node, double wanted) const;
  std::optional<Product> MatrixProduct(std::string_view value) const;
  std::optional<Product> QuantizedProduct(std::string_view value) const;
  std::optional<OnnxLinear> LinearOfGemm(std::string_view value) const;
  std::optional<OnnxLayerNorm> PlainLayerNorm(std::string_view value) const;
  std::optional<OnnxLayerNorm> WrittenOutLayerNorm(std::string_view value) const;
  std::optional<OnnxPart> MeanOfRow(std::string_view value) const;
  // Whether `value` is 1 for every token that is no padding, and 0 for the others.
  bool IsRealToken(std::string_view value, int pad_token_id, OnnxPart& part) const;
  // What `value` is, casts left out.
  std::string_view WithoutCasts(std::string_view value, OnnxPart& part) const;

  const OnnxFile& file_;
  const ValueMap& values_;
};

}  // namespace akin::model

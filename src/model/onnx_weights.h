// The weights of an encoder out of an ONNX graph, under the names that they have in safetensors.
//
// Exporters keep the names of biases, tables and norms, and lose those of matrices: the transposed
// weight of "...query" becomes "onnx::MatMul_1525" or "val_54". But the product's result meets the
// bias in the next node, and the bias's name says whose weight it is:
//
//   MatMul(x, onnx::MatMul_1525) -> Add(encoder.layer.0.attention.self.query.bias)
//     = encoder.layer.0.attention.self.query.weight, transposed
//
// Quantized weights, (q - zero_point) * scale, are the same numbers in f32.
//
// A name proves nothing about what is computed with it. So a graph counts as an encoder only when
// every one of its operators and weights is accounted for; a graph with anything else in it is left
// to a runtime that executes graphs.
#pragma once

#include <memory>
#include <string>

#include "akin/result.h"

#include "model/model_config.h"
#include "model/onnx_file.h"
#include "model/tensor_index.h"

namespace akin::model {

// The tensors of `file`, which the index keeps open. Errors: InvalidModel.
Result<TensorIndex> OnnxTensors(std::shared_ptr<const OnnxFile> file);

// Whether `file` computes nothing but the encoder of `config`. Error: UnsupportedModel, which says
// what is not accounted for.
Status CheckIsEncoder(const OnnxFile& file, const ModelConfig& config);

}  // namespace akin::model

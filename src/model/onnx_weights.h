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

#include <span>

#include "akin/result.h"

#include "formats/onnx.h"
#include "model/model_config.h"
#include "model/onnx_file.h"
#include "model/tensor_index.h"
#include "model/weights.h"

namespace akin::model {

// Whether the folder's ONNX file computes nothing but the encoder of `config`, and the head of
// onnx_head.h where config.json asks for one, and has all of its weights. Errors:
// UnsupportedModel, which says what is not accounted for; those of OnnxFile::Open.
Status CheckOnnxEncoder(const ModelDirectory& directory, const ModelConfig& config);

// The encoder's weights from the folder's ONNX file, which is closed again. Tensors that `loaded`
// has of this file are taken from it: of a head, which the table of words may be a part of. Errors:
// as CheckOnnxEncoder's, and those of LoadWeights.
Result<ModelWeights> LoadOnnxWeights(const ModelDirectory& directory, const ModelConfig& config,
                                     const TensorIndex* loaded = nullptr);

// The parts of the above. The tensors of a graph by the names that they have in safetensors;
// without values they have shapes only, to be looked up.
enum class OnnxValues { kNone, kCopied };
// `wanted`: of these initializers only; empty: of all. What `loaded` has is not copied again.
Result<TensorIndex> OnnxTensors(const OnnxFile& file, OnnxValues values,
                                std::span<const formats::OnnxTensor* const> wanted = {},
                                const TensorIndex* loaded = nullptr);

}  // namespace akin::model

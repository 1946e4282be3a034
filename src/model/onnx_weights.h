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

// The encoder's weights from the folder's ONNX file, which they keep open: no number is copied.
// Numbers that are not stored as they are wanted are made when they are read, those of transposed
// matrices out of the mapped file. Errors: as CheckOnnxEncoder's, and those of LoadWeights.
Result<ModelWeights> LoadOnnxWeights(const ModelDirectory& directory, const ModelConfig& config);

// A part of the above: the tensors of a graph by the names that they have in safetensors. They keep
// what their numbers are read from, and nothing else of `file`. `wanted`: of these initializers
// only; empty: of all. Error: UnsupportedModel (as WeightMaker's).
Result<TensorIndex> OnnxTensors(const OnnxFile& file,
                                std::span<const formats::OnnxTensor* const> wanted = {});

}  // namespace akin::model

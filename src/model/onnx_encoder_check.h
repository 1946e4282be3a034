// Whether an ONNX graph is an encoder and no more: every operator and every weight of it is
// accounted for by the configuration.
#pragma once

#include "akin/result.h"

#include "model/model_config.h"
#include "model/onnx_file.h"

namespace akin::model {

struct OnnxHead;  // onnx_head.h

// `head` is what of the graph is no part of the encoder, or nullptr. Error: UnsupportedModel, which
// says what is not accounted for.
Status CheckIsEncoder(const OnnxFile& file, const ModelConfig& config,
                      const OnnxHead* head = nullptr);

}  // namespace akin::model

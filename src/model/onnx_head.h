// What is on top of an encoder in an ONNX graph: the head of a classifier or reranker, or that of a
// masked language model, which sparse vectors are made of. From the output backwards:
//
//   logits <- linear(classifier) [<- tanh | relu | GELU <- linear(dense)] <- first token's state
//   logits <- linear(vocabulary) <- layer norm <- GELU <- linear(dense) <- states
//
// The layers are those of onnx_parts.h, quantized ones too. A head that is anything else (a mean,
// another activation than config.json's), or of which something else reads a value, is not taken
// apart: whoever runs the graph gives the logits.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "formats/json.h"
#include "formats/onnx.h"
#include "model/heads.h"
#include "model/onnx_file.h"
#include "model/tensor_index.h"

namespace akin::model {

class ModelDirectory;

// Borrows the file.
struct OnnxHead {
  std::string_view states;                      // What it reads: the encoder's result.
  std::vector<const formats::OnnxNode*> nodes;  // What of the graph it is.
  std::vector<const formats::OnnxTensor*> weights;

  bool Contains(const formats::OnnxNode& node) const;
  // Whether `weight` is a layer's of its own. The table of words may be the encoder's as well.
  bool Contains(const formats::OnnxTensor& weight) const;
};

// The head of the graph where config.json asks for one ("...ForSequenceClassification",
// "...ForMaskedLM") and means the same by it: the same layers under the same names, the same
// activation.
std::optional<OnnxHead> FindOnnxHead(const OnnxFile& file, formats::JsonValue config);

// Below: out of the default file of a folder without safetensors. Nothing where that file has no
// head that is known, or cannot be opened (its external data is not there, it is a pointer of Git
// LFS): who takes the encoder out of it says what is wrong. Errors: InvalidModel.

struct OnnxClassifier {
  ClassificationHead head;
  TensorIndex tensors;  // Keeps the modules' tensors alive.
};

Result<std::optional<OnnxClassifier>> LoadOnnxClassifier(const ModelDirectory& directory,
                                                         formats::JsonValue config);

struct OnnxMaskedLm {
  std::vector<Module> modules;  // Up to the decoder.
  TensorIndex tensors;          // Keeps their tensors and the decoder's alive.
};

// Where there is nothing, `decoder` stays as it was.
Result<std::optional<OnnxMaskedLm>> LoadOnnxMaskedLm(const ModelDirectory& directory,
                                                     formats::JsonValue config,
                                                     VocabularyPooling& decoder);

}  // namespace akin::model

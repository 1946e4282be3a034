// The head of a classifier or reranker whose weights are in an ONNX file only.
//
// Exporters write torch.nn.Linear on one row of each text as Gemm and keep the names of its weight
// and bias, so that a head is, from the output backwards:
//
//   logits <- Gemm(classifier) [<- Tanh | Relu <- Gemm(pooler.dense)] <- Gather(states, 0, axis=1)
//
// One that is anything else (a mean, a GELU, a quantized product) is not taken apart: whoever runs
// the graph gives the logits.
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
};

// The head of the graph where config.json asks for one ("...ForSequenceClassification") and means
// the same by it: the same layers under the same names, the same activation.
std::optional<OnnxHead> FindClassificationHead(const OnnxFile& file, formats::JsonValue config);

struct OnnxClassifier {
  ClassificationHead head;             // Without modules where the graph gives the logits.
  std::string unread;                  // Why the default file could not be read; empty: it was.
  std::optional<TensorIndex> tensors;  // Keeps the modules' tensors alive.
};

// Of a folder without safetensors. A default file that cannot be opened (its external data is not
// there, it is a pointer of Git LFS) leaves the labels: an option may name another file, or the
// backend may need none; one that does need it says what is wrong. Errors: InvalidModel (labels,
// layers of the head that contradict config.json).
Result<OnnxClassifier> LoadOnnxClassifier(const ModelDirectory& directory,
                                          formats::JsonValue config);

}  // namespace akin::model

// The heads that transformers puts on an encoder, found by the names of their tensors.
#pragma once

#include <string>
#include <vector>

#include "akin/options.h"
#include "akin/result.h"

#include "formats/json.h"
#include "model/modules.h"

namespace akin::model {

// Scores by label: pooling, one or two dense layers.
struct ClassificationHead {
  std::vector<Module> modules;
  std::vector<std::string> labels;
  ScoreActivation activation = ScoreActivation::kRaw;  // Where nothing else is asked for.
};

// "torch.nn.modules.activation.Sigmoid". Error: UnsupportedModel.
Result<ScoreActivation> ParseScoreActivation(formats::JsonValue value);

// Whether config.json's "architectures" names a class that ends so: "ForSequenceClassification".
bool IsArchitecture(formats::JsonValue config, std::string_view ending);

// Labels and activation alone, of a head that somebody else computes: as many labels as "id2label"
// or "num_labels" say, or else two, which is what transformers leaves out. Errors: InvalidModel,
// UnsupportedModel (an activation).
Result<ClassificationHead> ReadClassificationLabels(formats::JsonValue config);

// Errors: InvalidModel (a tensor missing, of the wrong shape, labels that contradict it),
// UnsupportedModel (no head that is known).
Result<ClassificationHead> LoadClassificationHead(formats::JsonValue config,
                                                  const TensorIndex& tensors);

// Masked-language-model head up to the decoder, whose weights and bias go into `decoder`: what
// SPLADE pools. Errors: as above.
Result<std::vector<Module>> LoadMaskedLmHead(formats::JsonValue config, const TensorIndex& tensors,
                                             VocabularyPooling& decoder);

}  // namespace akin::model

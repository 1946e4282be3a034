#pragma once

#include <memory>

#include "backends/backend.h"
#include "model/model_directory.h"

namespace akin::backends {

// A table of token vectors, whose mean is the text's (sentence-transformers' StaticEmbedding,
// model2vec). The folder holds model.safetensors with "embedding.weight" [vocabulary,
// dimension]; or "embeddings" [rows, dimension] with, perhaps, "mapping" [vocabulary] from ids to
// rows and "weights" [vocabulary] of tokens. Errors: InvalidModel, ModelNotFound, UnsupportedModel.
struct StaticBackend {
  std::unique_ptr<Backend> backend;
  int vocab_size = 0;
};
Result<StaticBackend> LoadStaticBackend(const model::ModelDirectory& directory);

// A weight of each token, in "weight" [vocabulary] (sentence-transformers' SparseStaticEmbedding):
// rows of tokens with one value. Errors: as above.
Result<StaticBackend> LoadTokenWeights(const model::ModelDirectory& directory);

}  // namespace akin::backends

#pragma once

#include <memory>
#include <string>

#include "backends/backend.h"
#include "model/model_directory.h"

namespace akin::backends {

// A table of token vectors, whose mean is the text's (sentence-transformers' StaticEmbedding,
// model2vec). `folder` of the model holds model.safetensors with "embedding.weight" [vocabulary,
// dimension]; or "embeddings" [rows, dimension] with, perhaps, "mapping" [vocabulary] from ids to
// rows and "weights" [vocabulary] of tokens. Errors: InvalidModel, ModelNotFound, UnsupportedModel.
struct StaticBackend {
  std::unique_ptr<Backend> backend;
  int vocab_size = 0;
};
Result<StaticBackend> LoadStaticBackend(const model::ModelDirectory& directory,
                                        const std::string& folder);

}  // namespace akin::backends

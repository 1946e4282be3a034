// A model folder and the options of a caller -> the parts of an Embedder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "akin/embedder.h"
#include "akin/options.h"
#include "akin/result.h"

#include "engine/network.h"
#include "tokenizer/pipeline.h"

namespace akin::engine {

struct LoadedModel {
  ModelInfo info;      // Complete but for load_ms.
  std::string prompt;  // Put in front of every text.
  std::optional<TruncationSide> truncation_side;
  std::unique_ptr<const tokenizer::Pipeline> tokenizer;
  Network network;
};

// Errors: those of Embedder::Load.
Result<LoadedModel> LoadModel(std::string_view model, const LoadOptions& options);

}  // namespace akin::engine

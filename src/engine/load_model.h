// A model folder and the options of a caller -> the parts of an Embedder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/embedder.h"
#include "akin/options.h"
#include "akin/result.h"

#include "engine/network.h"
#include "engine/text_reader.h"
#include "model/module_rows.h"
#include "tokenizer/pipeline.h"

namespace akin::engine {

struct LoadedModel {
  std::string route;  // Its name, of a model with a Router; else empty.
  ModelInfo info;     // Complete but for load_ms.
  ReaderSettings settings;
  ScoreActivation score_activation = ScoreActivation::kRaw;
  bool skip_first_vector = false;  // Of multi-vector outputs.
  int full_dimension = 0;          // Of dense vectors that nothing cuts,
  bool normalize = false;          // and whether these have length 1.
  std::optional<int> top_k;        // Of sparse vectors, where a call says nothing.
  std::vector<std::pair<Output, std::string>> unreadable;
  std::shared_ptr<const tokenizer::Pipeline> tokenizer;
  std::vector<int> worker_cpus;  // Computer::Options.
  Network network;
};

// The routes of a model (model/module_rows.h), each as a model of its own; encoders that they share
// are there once. Of a model without a Router, one.
struct LoadedRoutes {
  std::vector<LoadedModel> models;         // At least one.
  std::vector<model::Routes::Task> tasks;  // Empty: there is no Router.
  std::string default_route;               // Empty: a call has to name a task.
};

// Errors: those of Embedder::Load.
Result<LoadedRoutes> LoadModel(std::string_view model, const LoadOptions& options);

}  // namespace akin::engine

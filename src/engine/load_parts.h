// The steps of a load that need no weights: also those of who only wants to know what a load would
// take (plan_model.h).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "akin/options.h"
#include "akin/result.h"

#include "backends/backend.h"
#include "engine/backend_loader.h"
#include "model/model_directory.h"
#include "model/modules.h"
#include "model/sentence_modules.h"
#include "tokenizer/pipeline.h"

namespace akin::engine {

// How a call asked for the model to run, resolved.
struct RunPlan {
  int num_threads = 0;
  int batch_tokens = 0;
  Isa isa = Isa::kAuto;
  std::vector<int> worker_cpus;
  std::string note;
};

// Errors: InvalidInput, a number out of its range, an instruction set that cannot be used here.
Result<RunPlan> PlanRun(const LoadOptions& options);

// What is left to do of `modules` on a backend's rows.
std::span<const model::Module> ModulesBehind(backends::RowKind rows,
                                             std::span<const model::Module> modules);

// Errors: those of tokenizer::Pipeline::Load; InvalidModel, an id without a row in the model's
// tables.
Result<std::shared_ptr<const tokenizer::Pipeline>> LoadTokenizer(
    const model::ModelDirectory& input, const model::SentenceModules& modules,
    const ModelShape& shape);

// Error: InvalidModel, there is no room for a text beside the special tokens.
Status CheckLimit(int max_tokens, const tokenizer::Pipeline& tokenizer);

// What is wrong with a file of the folder says so by the file's name in it; where the folder is,
// who named the model by its name in a cache does not know.
Error WithFolder(const Error& error, const model::ModelDirectory& directory);

}  // namespace akin::engine

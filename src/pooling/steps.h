// The modules of a model as steps.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "akin/result.h"

#include "kernels/kernels.h"
#include "model/modules.h"
#include "pooling/step.h"

namespace akin::pooling {

// The rows that a step reads.
struct RowShape {
  size_t width = 0;
  bool per_token = true;
  bool logits = false;                          // Of the vocabulary, for each token.
  std::string source = "the module before it";  // Who says how wide they are: for messages.
};

// Errors: InvalidModel (the module does not fit the rows), UnsupportedModel (there is nothing to
// pool); they name the module's folder. Products of token rows, which are many, run on `kernels`;
// those of pooled rows on `exact`, which are f32's.
struct StepKernels {
  const kernels::Kernels& token_rows;
  const kernels::Kernels& pooled_rows;
};
Result<std::unique_ptr<const Step>> MakeStep(const model::Module& module, const RowShape& rows,
                                             const StepKernels& kernels);

// What a step will hold, known before its weights are read.
struct StepMemory {
  size_t out_width = 0;
  bool pools = false;
  size_t weight_bytes = 0;
  // Step::ScratchBytes of so many rows and threads.
  std::function<size_t(size_t rows, size_t team_size)> scratch_bytes;
};
StepMemory MemoryOfStep(const model::Module& module, const RowShape& rows,
                        const StepKernels& kernels);

}  // namespace akin::pooling

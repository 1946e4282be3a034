// The modules of a model as steps.
#pragma once

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

}  // namespace akin::pooling

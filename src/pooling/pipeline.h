// What makes vectors of a backend's rows: the model's own modules, one after the other, the same
// behind every backend.
//
//   rows of the backend --Dense, ...--> [num_tokens, width] --Pooling--> [num_segments, width]
//     --Dense, LayerNorm, ...--> [num_segments, dimension]
//
// A Normalize at the end is not computed here: whether and when vectors are scaled is also a
// caller's choice (EmbedOptions), so that the last step is the engine's.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/result.h"

#include "base/team.h"
#include "model/sentence_modules.h"
#include "pooling/step.h"

namespace akin::pooling {

// The memory between the steps of one batch under way; grows to what batches need and is reused.
struct Scratch {
  std::vector<float> rows[2];  // Steps write to them in turn.
};

class Pipeline {
 public:
  // The rows that a backend gives: a row for each token, or one for each sequence.
  struct Input {
    size_t width = 0;
    bool per_token = true;
  };

  // Errors: InvalidModel (a module that does not fit the width of the rows before it),
  // UnsupportedModel (an order that means nothing); they name the module's folder.
  static Result<Pipeline> Make(std::span<const model::Module> modules, Input input);

  // Values in a vector.
  size_t dimension() const { return dimension_; }
  // The modules end with Normalize.
  bool normalizes() const { return normalizes_; }
  // Tokens of the prompt take no part in a vector.
  bool excludes_prompt() const { return excludes_prompt_; }

  // Makes `scratch` large enough for the batch; by one thread, before Forward. Throws
  // std::bad_alloc.
  void Prepare(const BatchView& batch, Scratch& scratch) const;

  // rows [num_tokens or num_sequences, width] -> vectors [num_segments, dimension]. All members of
  // a team call it with the same arguments; the vectors are there when it has returned to each.
  void Forward(const BatchView& batch, MatrixView<const float> rows, const TeamMember& member,
               Scratch& scratch, MatrixView<float> vectors) const;

 private:
  std::vector<std::unique_ptr<const Step>> steps_;
  bool input_per_token_ = true;
  size_t dimension_ = 0;
  bool normalizes_ = false;
  bool excludes_prompt_ = false;
};

}  // namespace akin::pooling

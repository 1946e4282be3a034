// What makes one kind of output of a backend's rows: the model's own modules, one after the other,
// the same behind every backend.
//
//   rows of the backend --Dense, ...--> [num_tokens, width] --Pooling--> [num_segments, width]
//     --Dense, LayerNorm, ...--> [num_segments, width]
//
// A Normalize at the end is not computed here: whether and when vectors are scaled is also a
// caller's choice (EmbedOptions), so that the last step is the engine's.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "akin/matrix_view.h"
#include "akin/result.h"

#include "base/aligned_buffer.h"
#include "base/team.h"
#include "model/modules.h"
#include "pooling/step.h"
#include "pooling/steps.h"

namespace akin::pooling {

// The memory between the steps of one batch under way; grows to what batches need and is reused.
struct Scratch {
  std::vector<float> rows[2];  // Steps write to them in turn.
  AlignedBuffer step;          // What a step needs while it runs.
};

// What a chain will hold, known before its weights are read.
struct ChainMemory {
  RowShape output;
  size_t weight_bytes = 0;
  size_t scratch_bytes = 0;  // Of a Scratch after batches of the size in question.
};

class Chain {
 public:
  // Of a chain that Make would make, and batches of up to so many tokens and segments.
  static ChainMemory MemoryOf(std::span<const model::Module> modules, RowShape input,
                              const StepKernels& kernels, size_t num_tokens, size_t num_segments,
                              size_t team_size);

  // `input` are the backend's rows. Errors: those of MakeStep.
  static Result<Chain> Make(std::span<const model::Module> modules, RowShape input,
                            const StepKernels& kernels);

  // What comes out: rows of so many values, one for each token or one for each segment.
  const RowShape& output() const { return output_; }
  // The modules end with Normalize.
  bool normalizes() const { return normalizes_; }
  // Tokens of the prompt take no part in a vector.
  bool excludes_prompt() const { return excludes_prompt_; }
  // Of a segment's rows the chain reads the first one only.
  bool reads_only_first_rows() const { return reads_only_first_rows_; }
  // Multiplications and additions, roughly, for each token.
  double flops_per_token() const;

  // Makes `scratch` large enough for the batch; by one thread, before Forward. Throws
  // std::bad_alloc.
  void Prepare(const BatchView& batch, size_t team_size, Scratch& scratch) const;

  // rows [num_tokens or num_sequences, width] -> out [num_tokens or num_segments, width]. All
  // members of a team call it with the same arguments; the result is there when it has returned to
  // each.
  void Forward(const BatchView& batch, MatrixView<const float> rows, const TeamMember& member,
               Scratch& scratch, MatrixView<float> out) const;

 private:
  std::vector<std::unique_ptr<const Step>> steps_;
  RowShape input_, output_;
  bool normalizes_ = false;
  bool excludes_prompt_ = false;
  bool reads_only_first_rows_ = false;
};

}  // namespace akin::pooling

// One step of what follows a backend: rows in, rows out.
#pragma once

#include <cstddef>
#include <span>

#include "akin/matrix_view.h"

#include "base/ragged_batch.h"
#include "base/team.h"

namespace akin::pooling {

// Tokens of a batch that become one vector: a whole sequence; what is left of it without its prompt
// (include_prompt false); a chunk of it (late chunking).
struct Segment {
  size_t begin = 0;           // First token, counted in the batch.
  size_t length = 0;          // At least 1.
  size_t first_position = 0;  // The place of `begin` in its sequence.
};

// What a step may know of a batch beside its rows.
struct BatchView {
  const RaggedBatch& tokens;
  std::span<const Segment> segments;

  size_t num_rows(bool per_token) const {
    return per_token ? tokens.num_tokens() : segments.size();
  }
};

// What a step computes, by which member of a team, and the memory it may use meanwhile, which the
// team shares: ScratchBytes() of it, 64-byte aligned.
struct StepArgs {
  const BatchView& batch;
  MatrixView<const float> in;  // [rows, in_width]
  MatrixView<float> out;       // [rows, out_width]; does not overlap `in`.
  const TeamMember& member;
  std::span<std::byte> scratch;
};

// A module of the model. Immutable; any number of teams run it at once.
class Step {
 public:
  // `pools`: its input has a row for each token, its output one for each segment. Else both have
  // the same rows.
  Step(size_t in_width, size_t out_width, bool pools = false)
      : in_width_(in_width), out_width_(out_width), pools_(pools) {}
  virtual ~Step() = default;

  size_t in_width() const { return in_width_; }
  size_t out_width() const { return out_width_; }
  bool pools() const { return pools_; }

  // For a batch with so many rows of input.
  virtual size_t ScratchBytes(size_t /*rows*/, size_t /*team_size*/) const { return 0; }
  // Multiplications and additions that a row of input costs.
  virtual double Flops() const { return 0; }

  // Computes this member's share of `out`. The caller lets the team meet afterwards. Neither
  // allocates nor throws.
  virtual void Forward(const StepArgs& args) const = 0;

 private:
  const size_t in_width_, out_width_;
  const bool pools_;
};

}  // namespace akin::pooling

#pragma once

#include <optional>

#include "encoder/attention.h"
#include "encoder/feed_forward.h"
#include "encoder/norm.h"

namespace akin::encoder {

// The parts of a transformer layer. The norms stand where the model has them; RowPhases apply them.
struct Layer {
  Attention attention;
  FeedForward feed_forward;
  std::optional<Norm> attention_norm, attention_branch_norm;
  std::optional<Norm> feed_forward_norm, feed_forward_branch_norm;
};

}  // namespace akin::encoder

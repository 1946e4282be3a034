// What the sublayers share: a team's products, and getting ready what the next one reads.
#pragma once

#include <algorithm>

#include "base/team.h"
#include "encoder/activations.h"
#include "encoder/stage_work.h"
#include "kernels/kernels.h"

namespace akin::encoder {

// Each member computes its panels; the output is there when this returns. `stage` is the product's
// name for the stage clock.
inline void Multiply(Stage stage, const kernels::Kernels& kernels,
                     const kernels::PackedLinear& linear, kernels::Epilogue epilogue,
                     const TeamMember& member, const kernels::Operand& input,
                     const kernels::Output& output) {
  const auto panels = member.Share(kernels::NumPanels(kernels, linear));
  const kernels::LinearArgs args{.input = input,
                                 .linear = linear,
                                 .output = output,
                                 .epilogue = epilogue,
                                 .first_panel = panels.begin,
                                 .last_panel = panels.end};
  kernels.linear.linear(args);
  if (member.clock != nullptr) member.Lap(stage, WorkOf(kernels, args));
  member.Meet();
}

// Makes what the next product reads of what all members have written.
inline void Prepare(const kernels::Kernels& kernels, const Activations& activations,
                    size_t num_tokens, const TeamMember& member) {
  if (!activations.needs_preparing()) return;
  const auto rows = member.Share(num_tokens);
  activations.Prepare(kernels, rows.begin, rows.end);
  member.Lap(Stage::kPrepare, WorkOnRows(rows.end - rows.begin, activations.cols()));
  member.Meet();
}

}  // namespace akin::encoder

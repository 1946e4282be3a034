// What the sublayers share: a team's products, and getting ready what the next one reads.
#pragma once

#include <algorithm>

#include "base/team.h"
#include "encoder/activations.h"
#include "kernels/kernels.h"

namespace akin::encoder {

// Each member computes its panels; the output is there when this returns.
inline void Multiply(const kernels::Kernels& kernels, const kernels::PackedLinear& linear,
                     kernels::Epilogue epilogue, const TeamMember& member,
                     const kernels::Operand& input, const kernels::Output& output) {
  const auto panels = member.Share(kernels::NumPanels(kernels, linear));
  kernels.linear.linear({.input = input,
                         .linear = linear,
                         .output = output,
                         .epilogue = epilogue,
                         .first_panel = panels.begin,
                         .last_panel = panels.end});
  member.Meet();
}

// Makes what the next product reads of what all members have written.
inline void Prepare(const kernels::Kernels& kernels, const Activations& activations,
                    size_t num_tokens, const TeamMember& member) {
  if (!activations.needs_preparing()) return;
  const auto rows = member.Share(num_tokens);
  activations.Prepare(kernels, rows.begin, rows.end);
  member.Meet();
}

}  // namespace akin::encoder

// What the sublayers share: a team's products, and getting ready what the next one reads.
#pragma once

#include "base/team.h"
#include "encoder/activations.h"
#include "encoder/stage_work.h"
#include "kernels/kernels.h"

namespace akin::encoder {

// Each member computes its rows or its panels of `args`; this member's rows of the output are there
// when this returns.
inline void Multiply(const kernels::Kernels& kernels, Stage stage, const TeamMember& member,
                     kernels::LinearArgs args) {
  args.first_panel = 0;
  args.last_panel = kernels::NumPanels(kernels, args.linear);
  if (member.by_rows) {
    const auto rows = member.Share(args.input.rows);
    args.input = args.input.Rows(rows.begin, rows.end - rows.begin);
    args.output = args.output.Rows(rows.begin, rows.end - rows.begin);
  } else {
    const auto panels = member.Share(args.last_panel);
    args.first_panel = panels.begin;
    args.last_panel = panels.end;
  }
  kernels.linear.linear(args);
  member.Lap(stage, WorkOf(kernels, args));
  member.MeetForRows();
}

// Makes what the next product reads of what all members have written.
inline void Prepare(const kernels::Kernels& kernels, const Activations& activations,
                    size_t num_rows, const TeamMember& member) {
  if (!activations.needs_preparing()) return;
  const auto rows = member.Share(num_rows);
  activations.Prepare(kernels, rows.begin, rows.end);
  member.Lap(Stage::kPrepare, WorkOnRows(rows.end - rows.begin, activations.cols()));
  member.MeetForRows();
}

}  // namespace akin::encoder

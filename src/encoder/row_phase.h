#pragma once

#include "base/team.h"
#include "encoder/norm.h"
#include "encoder/workspace.h"
#include "kernels/kernels.h"

namespace akin::encoder {

// What happens to the rows of the residual stream between two products. Each norm may be missing.
struct RowPhase {
  const Norm* branch = nullptr;  // hidden += branch(workspace.branch())
  const Norm* output = nullptr;  // hidden = output(hidden)
  const Norm* attention_input = nullptr;
  const Norm* feed_forward_input = nullptr;
  bool read_hidden = false;  // The next product reads `hidden` itself.

  bool empty() const {
    return branch == nullptr && output == nullptr && attention_input == nullptr &&
           feed_forward_input == nullptr && !read_hidden;
  }

  // Works on this member's rows and prepares what the next product reads of them. After it the team
  // meets, unless its members compute by rows.
  void Forward(const kernels::Kernels& kernels, size_t num_rows, const TeamMember& member,
               const Workspace& workspace) const;
};

}  // namespace akin::encoder

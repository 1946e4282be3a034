#include "encoder/row_phase.h"

#include <algorithm>

#include "encoder/stage_work.h"

namespace akin::encoder {

void RowPhase::Forward(const kernels::Kernels& kernels, size_t num_rows, const TeamMember& member,
                       const Workspace& workspace) const {
  if (empty()) return;
  constexpr size_t kBlock = 8;  // Rows that are still in the L1 cache when they are prepared.
  const MatrixView<float> hidden = workspace.hidden().f32(num_rows);
  const auto share = member.Share(num_rows);
  for (size_t first = share.begin; first < share.end; first += kBlock) {
    const size_t last = std::min(first + kBlock, share.end), count = last - first;
    const MatrixView<float> rows = hidden.Rows(first, count);
    if (branch != nullptr) branch->AddTo(workspace.branch().f32(num_rows).Rows(first, count), rows);
    if (output != nullptr) output->Forward(rows);
    const auto make_input = [&](const Norm* norm, const Activations& input) {
      if (norm == nullptr) return;
      norm->Forward(rows, input.f32(num_rows).Rows(first, count));
      input.Prepare(kernels, first, last);
    };
    make_input(attention_input, workspace.attention_input());
    make_input(feed_forward_input, workspace.feed_forward_input());
    if (read_hidden) workspace.hidden().Prepare(kernels, first, last);
  }
  member.Lap(Stage::kNorm, WorkOnRows(share.end - share.begin, hidden.cols()));
  member.MeetForRows();
}

}  // namespace akin::encoder

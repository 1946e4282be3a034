#include "pooling/chain.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace akin::pooling {
namespace {

// Rows as they are: what a chain without steps does.
void CopyRows(MatrixView<const float> from, const TeamMember& member, MatrixView<float> to) {
  const auto share = member.Share(to.rows());
  for (size_t i = share.begin; i < share.end; ++i)
    std::ranges::copy(from.row(i), to.row(i).begin());
}

}  // namespace

Result<Chain> Chain::Make(std::span<const model::Module> modules, RowShape input,
                          const StepKernels& kernels) {
  Chain chain;
  chain.input_ = input;
  if (!modules.empty() && std::holds_alternative<model::Normalize>(modules.back())) {
    chain.normalizes_ = true;
    modules = modules.first(modules.size() - 1);
  }
  chain.reads_only_first_rows_ = input.per_token && model::ReadOnlyFirstRows(modules);
  RowShape rows = input;
  for (const model::Module& module : modules) {
    AKIN_TRY_ASSIGN(auto step, MakeStep(module, rows, kernels));
    rows = {.width = step->out_width(), .per_token = rows.per_token && !step->pools()};
    chain.steps_.push_back(std::move(step));
    if (const auto* pooling = std::get_if<model::Pooling>(&module))
      chain.excludes_prompt_ = !pooling->include_prompt;
  }
  chain.output_ = rows;
  return chain;
}

double Chain::flops_per_token() const {
  double flops = 0;
  bool per_token = input_.per_token;
  for (const auto& step : steps_) {
    if (per_token) flops += step->Flops();
    per_token = per_token && !step->pools();
  }
  return flops;
}

void Chain::Prepare(const BatchView& batch, size_t team_size, Scratch& scratch) const {
  bool per_token = input_.per_token;
  size_t step_bytes = 0;
  for (size_t i = 0; i < steps_.size(); ++i) {
    step_bytes =
        std::max(step_bytes, steps_[i]->ScratchBytes(batch.num_rows(per_token), team_size));
    per_token = per_token && !steps_[i]->pools();
    if (i + 1 == steps_.size()) break;  // The last one writes to its caller's matrix.
    std::vector<float>& rows = scratch.rows[i % 2];
    rows.resize(std::max(rows.size(), batch.num_rows(per_token) * steps_[i]->out_width()));
  }
  if (scratch.step.size_bytes() < step_bytes) scratch.step = AlignedBuffer(step_bytes);
}

void Chain::Forward(const BatchView& batch, MatrixView<const float> rows, const TeamMember& member,
                    Scratch& scratch, MatrixView<float> out) const {
  if (steps_.empty()) CopyRows(rows, member, out);
  bool per_token = input_.per_token;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = *steps_[i];
    per_token = per_token && !step.pools();
    const bool last = i + 1 == steps_.size();
    const MatrixView<float> step_out =
        last ? out
             : MatrixView<float>(scratch.rows[i % 2].data(), batch.num_rows(per_token),
                                 step.out_width());
    step.Forward({batch, rows, step_out, member, scratch.step.As<std::byte>()});
    member.Lap(step.pools() ? Stage::kPooling : Stage::kModule);
    if (!last) member.Meet();
    rows = step_out;
  }
  member.Meet();
}

}  // namespace akin::pooling

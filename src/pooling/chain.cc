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

// What a batch needs of a Scratch.
struct ScratchSize {
  size_t rows[2] = {0, 0};  // Floats.
  size_t step_bytes = 0;
};

// Of one step.
struct StepSize {
  size_t out_width;
  bool pools;
  size_t scratch_bytes;
};

// `step(i, num_rows)` is step i's size for so many rows of input; `num_rows(per_token)` says how
// many there are.
template <typename StepOf, typename NumRows>
ScratchSize SizeOfScratch(size_t num_steps, bool per_token, StepOf step, NumRows num_rows) {
  ScratchSize size;
  for (size_t i = 0; i < num_steps; ++i) {
    const StepSize own = step(i, num_rows(per_token));
    size.step_bytes = std::max(size.step_bytes, own.scratch_bytes);
    per_token = per_token && !own.pools;
    if (i + 1 == num_steps) break;  // The last one writes to its caller's matrix.
    size.rows[i % 2] = std::max(size.rows[i % 2], num_rows(per_token) * own.out_width);
  }
  return size;
}

// A Normalize at the end is no step.
std::span<const model::Module> WithoutNormalize(std::span<const model::Module> modules) {
  const bool ends = !modules.empty() && std::holds_alternative<model::Normalize>(modules.back());
  return ends ? modules.first(modules.size() - 1) : modules;
}

}  // namespace

ChainMemory Chain::MemoryOf(std::span<const model::Module> modules, RowShape input,
                            const StepKernels& kernels, size_t num_tokens, size_t num_segments,
                            size_t team_size) {
  ChainMemory memory{.output = input};
  std::vector<StepMemory> steps;
  for (const model::Module& module : WithoutNormalize(modules)) {
    RowShape& rows = memory.output;
    steps.push_back(MemoryOfStep(module, rows, kernels));
    rows = {.width = steps.back().out_width, .per_token = rows.per_token && !steps.back().pools};
    memory.weight_bytes += steps.back().weight_bytes;
  }
  const ScratchSize size = SizeOfScratch(
      steps.size(), input.per_token,
      [&](size_t i, size_t num_rows) {
        const auto& bytes = steps[i].scratch_bytes;
        return StepSize{steps[i].out_width, steps[i].pools, bytes ? bytes(num_rows, team_size) : 0};
      },
      [&](bool per_token) { return per_token ? num_tokens : num_segments; });
  memory.scratch_bytes = (size.rows[0] + size.rows[1]) * sizeof(float) +
                         AlignedBuffer::AllocatedBytes(size.step_bytes);
  return memory;
}

Result<Chain> Chain::Make(std::span<const model::Module> modules, RowShape input,
                          const StepKernels& kernels) {
  Chain chain;
  chain.input_ = input;
  chain.normalizes_ = WithoutNormalize(modules).size() < modules.size();
  modules = WithoutNormalize(modules);
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
  const ScratchSize size = SizeOfScratch(
      steps_.size(), input_.per_token,
      [&](size_t i, size_t num_rows) {
        const Step& step = *steps_[i];
        return StepSize{step.out_width(), step.pools(), step.ScratchBytes(num_rows, team_size)};
      },
      [&](bool per_token) { return batch.num_rows(per_token); });
  for (size_t i = 0; i < 2; ++i)
    scratch.rows[i].resize(std::max(scratch.rows[i].size(), size.rows[i]));
  if (scratch.step.size_bytes() < size.step_bytes) scratch.step = AlignedBuffer(size.step_bytes);
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

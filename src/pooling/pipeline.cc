#include "pooling/pipeline.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/strings.h"
#include "pooling/pooling.h"

namespace akin::pooling {
namespace {

// [num_tokens, width] -> [num_segments, modes * width].
class PoolStep : public Step {
 public:
  PoolStep(std::vector<model::PoolingMode> modes, size_t width)
      : Step(width, modes.size() * width, /*pools=*/true), modes_(std::move(modes)) {}

  void Forward(const BatchView& batch, MatrixView<const float> in, const TeamMember& member,
               MatrixView<float> out) const override {
    const auto share = member.Share(batch.segments.size());
    for (size_t s = share.begin; s < share.end; ++s) {
      const Segment& segment = batch.segments[s];
      Pool(modes_, in.Rows(segment.begin, segment.length), segment.first_position, out.row(s));
    }
  }

 private:
  std::vector<model::PoolingMode> modes_;
};

// Every row scaled to length 1.
class NormalizeStep : public Step {
 public:
  explicit NormalizeStep(size_t width) : Step(width, width) {}

  void Forward(const BatchView&, MatrixView<const float> in, const TeamMember& member,
               MatrixView<float> out) const override {
    const auto share = member.Share(out.rows());
    for (size_t i = share.begin; i < share.end; ++i) {
      std::ranges::copy(in.row(i), out.row(i).begin());
      Normalize(out.row(i));
    }
  }
};

// Rows as they are: what a pipeline without steps does.
void CopyRows(MatrixView<const float> from, const TeamMember& member, MatrixView<float> to) {
  const auto share = member.Share(to.rows());
  for (size_t i = share.begin; i < share.end; ++i)
    std::ranges::copy(from.row(i), to.row(i).begin());
}

// The rows after the steps so far.
struct Rows {
  size_t width;
  bool per_token;
};

Result<std::unique_ptr<const Step>> MakeStep(const model::Pooling& pooling, const Rows& rows) {
  if (!rows.per_token) {
    return UnsupportedModel(pooling.folder,
                            ": there is nothing to pool: an earlier module has made one vector of "
                            "all tokens already");
  }
  if (pooling.dimension && static_cast<size_t>(*pooling.dimension) != rows.width) {
    return InvalidModel(pooling.folder, "/config.json: \"word_embedding_dimension\" is ",
                        *pooling.dimension, ", but the states before it have ", rows.width,
                        " values (config.json: hidden_size)");
  }
  return std::unique_ptr<const Step>(std::make_unique<PoolStep>(pooling.modes, rows.width));
}

Result<std::unique_ptr<const Step>> MakeStep(const model::Normalize&, const Rows& rows) {
  return std::unique_ptr<const Step>(std::make_unique<NormalizeStep>(rows.width));
}

}  // namespace

Result<Pipeline> Pipeline::Make(std::span<const model::Module> modules, Input input) {
  Pipeline pipeline;
  pipeline.input_per_token_ = input.per_token;
  if (!modules.empty() && std::holds_alternative<model::Normalize>(modules.back())) {
    pipeline.normalizes_ = true;
    modules = modules.first(modules.size() - 1);
  }
  Rows rows{input.width, input.per_token};
  for (const model::Module& module : modules) {
    AKIN_TRY_ASSIGN(auto step,
                    std::visit([&](const auto& config) { return MakeStep(config, rows); }, module));
    rows = {step->out_width(), rows.per_token && !step->pools()};
    pipeline.steps_.push_back(std::move(step));
    if (const auto* pooling = std::get_if<model::Pooling>(&module))
      pipeline.excludes_prompt_ = !pooling->include_prompt;
  }
  if (rows.per_token) {
    return UnsupportedModel(
        "modules.json: no module makes one vector of a text's tokens (Pooling is missing)");
  }
  pipeline.dimension_ = rows.width;
  return pipeline;
}

void Pipeline::Prepare(const BatchView& batch, Scratch& scratch) const {
  bool per_token = input_per_token_;
  for (size_t i = 0; i + 1 < steps_.size(); ++i) {  // The last one writes to its caller's matrix.
    per_token = per_token && !steps_[i]->pools();
    std::vector<float>& rows = scratch.rows[i % 2];
    rows.resize(std::max(rows.size(), batch.num_rows(per_token) * steps_[i]->out_width()));
  }
}

void Pipeline::Forward(const BatchView& batch, MatrixView<const float> rows,
                       const TeamMember& member, Scratch& scratch,
                       MatrixView<float> vectors) const {
  if (steps_.empty()) CopyRows(rows, member, vectors);
  bool per_token = input_per_token_;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = *steps_[i];
    per_token = per_token && !step.pools();
    const MatrixView<float> out =
        i + 1 == steps_.size() ? vectors
                               : MatrixView<float>(scratch.rows[i % 2].data(),
                                                   batch.num_rows(per_token), step.out_width());
    step.Forward(batch, rows, member, out);
    member.Lap(step.pools() ? Stage::kPooling : Stage::kModule);
    member.Meet();
    rows = out;
  }
  if (steps_.empty()) member.Meet();
}

}  // namespace akin::pooling

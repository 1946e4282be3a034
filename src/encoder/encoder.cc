#include "encoder/encoder.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/wanted_until.h"
#include "encoder/packed_weights.h"
#include "encoder/product.h"
#include "encoder/stage_work.h"

namespace akin::encoder {
namespace {

using model::NormPlacement;

const Norm* Pointer(const std::optional<Norm>& norm) { return norm ? &*norm : nullptr; }

// Row s becomes that of the first token of sequence s, in what the last layer reads from its
// attention on. No sequence is empty, so that none is overwritten before it is read.
void GatherFirstRows(const RaggedBatch& batch, const Workspace& workspace) {
  const size_t num_tokens = batch.num_tokens();
  const kernels::Output context = workspace.context().output(num_tokens);
  const auto gather = [&](const auto& rows) {
    if (rows.rows() == 0) return;
    for (size_t s = 1; s < batch.num_sequences(); ++s) {
      if (batch.begin(s) != s) std::ranges::copy(rows.row(batch.begin(s)), rows.row(s).begin());
    }
  };
  gather(workspace.hidden().f32(num_tokens));
  gather(context.f32);
  gather(context.bf16);
}

// The states of these rows to where their tokens are.
void ScatterFirstRows(const RaggedBatch& batch, const Workspace& workspace) {
  const MatrixView<float> hidden = workspace.hidden().f32(batch.num_tokens());
  for (size_t s = batch.num_sequences(); s-- > 1;) {
    if (batch.begin(s) != s) std::ranges::copy(hidden.row(s), hidden.row(batch.begin(s)).begin());
  }
}

}  // namespace

Encoder::Encoder(model::ModelConfig config, model::ModelWeights weights,
                 const kernels::Kernels& kernels, Packing packing)
    : config_(std::move(config)),
      kernels_(kernels),
      tensors_(weights.tensors),
      embeddings_(weights, config_, kernels_),
      positions_(weights, config_),
      final_norm_(Norm::Make(weights.final_norm, config_, kernels_)) {
  if (config_.projection_before_norm)
    projected_norm_ = Norm::Make(weights.embedding_norm, config_, kernels_);
  PackWeights(weights, std::move(packing));
  SetRelativeEmbeddings(weights);
  MakeSteps();
}

size_t Encoder::PackedBytes(const model::ModelConfig& config, const model::ModelWeights& weights,
                            const kernels::Kernels& kernels) {
  size_t bytes = 0;
  if (config.embedding_projection)
    bytes += LinearSource::SideBySide({&weights.embedding_projection}).PackedBytes(kernels);
  if (config.convolution) bytes += Convolution::PackedBytes(weights, kernels);
  for (const model::LayerWeights& layer : weights.layers)
    bytes += Attention::PackedBytes(layer, kernels) + FeedForward::PackedBytes(layer, kernels);
  return bytes;
}

void Encoder::PackWeights(const model::ModelWeights& weights, Packing packing) {
  arena_ = std::make_unique<WeightArena>(kernels_, PackedBytes(config_, weights, kernels_),
                                         std::move(packing.cache_key));
  if (config_.embedding_projection)
    projection_ = arena_->Add(LinearSource::SideBySide({&weights.embedding_projection}));
  if (config_.convolution) convolution_.emplace(weights, config_, kernels_, *arena_);
  layers_.reserve(weights.layers.size());
  const auto norm = [&](const model::Norm& n) { return Norm::Make(n, config_, kernels_); };
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const model::LayerWeights& layer = weights.layers[i];
    // In the order of use: attention's weights come first.
    Attention attention(layer, config_, config_.layers[config_.num_hidden_groups > 0 ? 0 : i],
                        positions_, kernels_, *arena_);
    FeedForward feed_forward(layer, config_, kernels_, *arena_);
    layers_.push_back({.attention = std::move(attention),
                       .feed_forward = feed_forward,
                       .attention_norm = norm(layer.attention_norm),
                       .attention_branch_norm = norm(layer.attention_branch_norm),
                       .feed_forward_norm = norm(layer.feed_forward_norm),
                       .feed_forward_branch_norm = norm(layer.feed_forward_branch_norm)});
  }
  arena_->Fill(packing.num_threads);
}

void Encoder::SetRelativeEmbeddings(const model::ModelWeights& weights) {
  if (!config_.disentangled) return;
  std::vector<float> values = model::ReadAll(weights.relative_embeddings);
  const MatrixView<float> rows(values.data(),
                               static_cast<size_t>(weights.relative_embeddings.shape[0]),
                               static_cast<size_t>(config_.hidden_size));
  if (const auto norm = Norm::Make(weights.relative_norm, config_, kernels_)) norm->Forward(rows);
  for (size_t i = 0; i < layers_.size(); ++i)
    layers_[i].attention.SetRelativeEmbeddings(rows, weights.layers[i], *config_.disentangled);
}

std::vector<const Layer*> Encoder::Order() const {
  std::vector<const Layer*> order;
  const size_t num_layers = static_cast<size_t>(config_.num_hidden_layers);
  if (config_.num_hidden_groups == 0) {
    for (const Layer& layer : layers_) order.push_back(&layer);
    return order;
  }
  const size_t groups = static_cast<size_t>(config_.num_hidden_groups);
  const size_t inner = static_cast<size_t>(config_.inner_group_num);
  for (size_t i = 0; i < num_layers; ++i) {
    for (size_t j = 0; j < inner; ++j)
      order.push_back(&layers_[i * groups / num_layers * inner + j]);
  }
  return order;
}

void Encoder::MakeSteps() {
  const NormPlacement placement = config_.norm_placement;
  const bool post = placement == NormPlacement::kPost;
  const std::vector<const Layer*> order = Order();
  // What stands before the attention of a layer; before nothing, the model's last norm.
  const auto enter = [&](const Layer* layer, RowPhase& phase) {
    if (layer == nullptr) {
      if (!post) phase.output = Pointer(final_norm_);
      return;
    }
    const Norm* norm = post ? nullptr : Pointer(layer->attention_norm);
    phase.attention_input = norm;
    phase.read_hidden = norm == nullptr;
    if (placement == NormPlacement::kParallel)
      phase.feed_forward_input = Pointer(layer->feed_forward_norm);
  };
  after_embeddings_.output = Pointer(projected_norm_);
  enter(order.empty() ? nullptr : order.front(), after_embeddings_);
  for (size_t i = 0; i < order.size(); ++i) {
    const Layer& layer = *order[i];
    Step step{.layer = &layer, .after_attention = {}, .after_feed_forward = {}};
    step.after_attention.branch = Pointer(layer.attention_branch_norm);
    step.after_feed_forward.branch = Pointer(layer.feed_forward_branch_norm);
    if (post) {
      step.after_attention.output = Pointer(layer.attention_norm);
      step.after_attention.read_hidden = true;
      step.after_feed_forward.output = Pointer(layer.feed_forward_norm);
    } else if (placement != NormPlacement::kParallel) {
      step.after_attention.feed_forward_input = Pointer(layer.feed_forward_norm);
    }
    enter(i + 1 < order.size() ? order[i + 1] : nullptr, step.after_feed_forward);
    steps_.push_back(step);
  }
}

// A team divides rows where each member gets so many: more than one tile of a product, so that
// reading all weights costs little beside multiplying with them.
constexpr size_t kLeastRowsOfMember = 32;

bool Encoder::DividesRows(size_t num_rows, const TeamMember& member) const {
  // The convolution reads its neighbours' rows.
  return member.size > 1 && !convolution_ &&
         num_rows >= kLeastRowsOfMember * static_cast<size_t>(member.size);
}

bool Encoder::NeedsFirstRowsOnly(const RaggedBatch& batch) const {
  if (!batch.only_first_rows || batch.num_tokens() < 2 * batch.num_sequences()) return false;
  // Both branches read the state before attention, and the convolution adds to all rows.
  if (config_.norm_placement == NormPlacement::kParallel || convolution_) return false;
  for (size_t s = 0; s < batch.num_sequences(); ++s) {
    if (batch.length(s) == 0) return false;
  }
  return true;
}

Status Encoder::Forward(const RaggedBatch& batch, TeamMember member, Workspace& workspace) const {
  // The member of rank 0 knows. It becomes an error, which takes memory, when nobody is left at a
  // barrier.
  auto ended = WantedUntil::Reason::kNone;
  if (member.rank == 0) workspace.last_step() = Workspace::kNoStep;
  member.by_rows = DividesRows(batch.num_tokens(), member);
  Embed(batch, member, workspace);
  if (convolution_) convolution_->Forward(batch, member, workspace);
  for (const Step& step : steps_) {
    const size_t index = static_cast<size_t>(&step - steps_.data());
    if (member.rank == 0 && batch.wanted_until != nullptr) {
      ended = batch.wanted_until->Ended();
      if (ended != WantedUntil::Reason::kNone) {
        if (member.size == 1) return WantedUntil::StatusOf(ended);
        workspace.last_step().store(index, std::memory_order_relaxed);
      }
    }
    size_t num_rows = batch.num_tokens();
    step.layer->attention.Attend(batch, member, workspace);
    // Nobody is behind it: the team has met.
    if (workspace.last_step().load(std::memory_order_relaxed) <= index)
      return WantedUntil::StatusOf(ended);
    const bool first_rows_only = &step == &steps_.back() && NeedsFirstRowsOnly(batch);
    if (first_rows_only) {
      num_rows = batch.num_sequences();
      if (member.rank == 0) GatherFirstRows(batch, workspace);
      member.Lap(Stage::kCopy);
      member.Meet();
      member.by_rows = DividesRows(num_rows, member);
    }
    step.layer->attention.AddOutput(num_rows, member, workspace);
    step.after_attention.Forward(kernels_, num_rows, member, workspace);
    step.layer->feed_forward.Forward(num_rows, member, workspace);
    step.after_feed_forward.Forward(kernels_, num_rows, member, workspace);
    if (convolution_ && &step == &steps_.front()) convolution_->AddTo(num_rows, member, workspace);
    if (first_rows_only) {
      if (member.by_rows) member.Meet();
      if (member.rank == 0) ScatterFirstRows(batch, workspace);
      member.Lap(Stage::kCopy);
    }
  }
  return {};
}

void Encoder::Embed(const RaggedBatch& batch, const TeamMember& member,
                    Workspace& workspace) const {
  const size_t num_tokens = batch.num_tokens();
  const auto rows = member.Share(num_tokens);
  const StageWork work =
      WorkOnRows(rows.end - rows.begin, static_cast<size_t>(config_.embedding_size));
  if (config_.embedding_projection) {
    const Activations& embedded = workspace.embedded();
    embeddings_.Forward(batch, member, embedded.f32(num_tokens));
    embedded.Prepare(kernels_, rows.begin, rows.end);
    member.Lap(Stage::kEmbeddings, work);
    member.MeetForRows();
    Multiply(kernels_, Stage::kEmbeddings, member,
             {.input = embedded.operand(num_tokens),
              .linear = projection_,
              .output = workspace.hidden().output(num_tokens)});
  } else {
    embeddings_.Forward(batch, member, workspace.hidden().f32(num_tokens));
    member.Lap(Stage::kEmbeddings, work);
  }
  after_embeddings_.Forward(kernels_, num_tokens, member, workspace);
}

double Encoder::flops_per_token() const {
  const double hidden = config_.hidden_size, head_dim = config_.head_dim;
  const double queries = config_.num_attention_heads * head_dim;
  const double keys = config_.num_key_value_heads * head_dim;
  const double feed_forward = (config_.gated ? 3.0 : 2.0) * config_.intermediate_size;
  const double inner = config_.num_hidden_groups > 0 ? config_.inner_group_num : 1;
  const double convolution = config_.convolution ? config_.convolution->kernel_size : 0;
  return 2.0 * hidden *
         (config_.num_hidden_layers * inner * (2.0 * queries + 2.0 * keys + feed_forward) +
          convolution * hidden);
}

Workspace Encoder::NewWorkspace(size_t max_tokens, size_t max_length, size_t team_size) const {
  return Workspace(config_, kernels_, max_tokens, max_length, team_size);
}

}  // namespace akin::encoder

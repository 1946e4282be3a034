#include "encoder/attention.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "encoder/activations.h"
#include "encoder/product.h"

namespace akin::encoder {
namespace {

LinearSource QueryKeyValue(const model::LayerWeights& weights) {
  return LinearSource::SideBySide({&weights.query, &weights.key, &weights.value});
}

LinearSource Output(const model::LayerWeights& weights) {
  return LinearSource::SideBySide({&weights.attention_output});
}

std::vector<RotaryTable> RotaryTables(const model::ModelConfig& config) {
  std::vector<RotaryTable> tables;
  tables.reserve(config.rotary.size());
  for (const model::Rotary& rotary : config.rotary)
    tables.emplace_back(rotary, static_cast<size_t>(config.max_positions));
  return tables;
}

// linear(rows) in f32, on one thread.
std::vector<float> Project(const kernels::Kernels& kernels, const model::Linear& linear,
                           MatrixView<const float> rows) {
  const LinearSource source = LinearSource::SideBySide({&linear});
  const AlignedBuffer packed(source.PackedBytes(kernels));
  Activations input(rows.rows(), rows.cols(), Activations::Written::kF32, kernels);
  const AlignedBuffer memory(input.bytes());
  input.Place(memory.As<std::byte>().data());
  for (size_t i = 0; i < rows.rows(); ++i)
    std::ranges::copy(rows.row(i), input.f32(rows.rows()).row(i).begin());
  input.Prepare(kernels, 0, rows.rows());
  std::vector<float> output(rows.rows() * source.shape().n);
  Multiply(kernels, Stage::kEmbeddings, TeamMember(),
           {.input = input.operand(rows.rows()),
            .linear = source.Pack(kernels, packed.As<std::byte>().data()),
            .output = {.f32 = {output.data(), rows.rows(), source.shape().n}, .bf16 = {}}});
  return output;
}

// Heads that share a key head and are one piece of work: all of them, as long as no member of a
// team has more heads of a sequence to do than if they went round one by one.
size_t HeadsPerPiece(size_t num_heads, size_t heads_per_key, size_t team_size) {
  const auto most = [&](size_t together) {
    const size_t pieces = num_heads / together;
    return (pieces + team_size - 1) / team_size * together;
  };
  size_t together = heads_per_key;
  while (heads_per_key % together != 0 || most(together) > most(1)) --together;
  return together;
}

}  // namespace

PositionTables::PositionTables(const model::ModelWeights& weights, const model::ModelConfig& config)
    : rotary(RotaryTables(config)),
      distance_bias(weights, config),
      max_positions(static_cast<size_t>(config.max_positions)) {
  if (config.disentangled)
    disentangled_rows = DisentangledRows(*config.disentangled, config.max_positions);
}

int MaxPartlyAttended(const model::ModelConfig& config) {
  if (config.convolution) return 0;
  const bool changes_scores = config.alibi || config.relative_bias || config.disentangled ||
                              config.attn_logit_softcapping > 0.0f;
  if (changes_scores) return 0;
  int64_t length = config.max_positions;
  for (const model::LayerAttention& layer : config.layers)
    length = std::min({length, layer.left + 1, layer.right + 1});
  return static_cast<int>(length);
}

size_t Attention::PackedBytes(const model::LayerWeights& weights, const kernels::Kernels& kernels) {
  return QueryKeyValue(weights).PackedBytes(kernels) + Output(weights).PackedBytes(kernels);
}

Attention::Attention(const model::LayerWeights& weights, const model::ModelConfig& config,
                     const model::LayerAttention& layer, const PositionTables& tables,
                     const kernels::Kernels& kernels, WeightArena& arena)
    : kernels_(kernels),
      tables_(tables),
      num_heads_(static_cast<size_t>(config.num_attention_heads)),
      num_key_value_heads_(static_cast<size_t>(config.num_key_value_heads)),
      head_dim_(static_cast<size_t>(config.head_dim)),
      scale_(config.attention_scale),
      left_(static_cast<size_t>(layer.left)),
      right_(static_cast<size_t>(layer.right)),
      softcap_(config.attn_logit_softcapping),
      has_scores_rule_(softcap_ > 0.0f || tables.distance_bias.head(0) != nullptr ||
                       config.disentangled.has_value()),
      reads_hidden_(weights.attention_norm.empty() ||
                    config.norm_placement == model::NormPlacement::kPost),
      has_branch_(!weights.attention_branch_norm.empty()),
      query_norm_(Norm::Make(weights.query_norm, config, kernels)),
      key_norm_(Norm::Make(weights.key_norm, config, kernels)),
      query_key_value_(arena.Add(QueryKeyValue(weights))) {
  if (layer.rotary >= 0) rotary_ = &tables.rotary[static_cast<size_t>(layer.rotary)];
  output_ = arena.Add(Output(weights));
}

void Attention::SetRelativeEmbeddings(MatrixView<const float> embeddings,
                                      const model::LayerWeights& weights,
                                      const model::Disentangled& disentangled) {
  relative_rows_ = embeddings.rows();
  const bool share = disentangled.share_att_key;
  const auto set = [&](const model::Linear& linear, std::vector<float>& f32,
                       std::vector<Bf16>& bf16) {
    std::vector<float> projected = Project(kernels_, linear, embeddings);
    if (kernels_.attention_bf16.attention == nullptr) {
      f32 = std::move(projected);
      return;
    }
    bf16.resize(projected.size());
    std::ranges::transform(projected, bf16.begin(), Bf16::From);
  };
  if (disentangled.content_to_position)
    set(share ? weights.key : weights.position_key, relative_f32_.keys, relative_bf16_.keys);
  if (disentangled.position_to_content)
    set(share ? weights.query : weights.position_query, relative_f32_.queries,
        relative_bf16_.queries);
}

void Attention::Attend(const RaggedBatch& batch, const TeamMember& member,
                       Workspace& workspace) const {
  const size_t num_tokens = batch.num_tokens();
  const Activations& input = reads_hidden_ ? workspace.hidden() : workspace.attention_input();
  Multiply(kernels_, Stage::kQueryKeyValue, member,
           {.input = input.operand(num_tokens),
            .linear = query_key_value_,
            .output = workspace.qkv().output(num_tokens)});
  if (turns_positions()) TurnPositions(batch, member, workspace);
  if (member.by_rows) member.Meet();  // Keys and values of other members' rows are read.
  if (kernels_.attention_bf16.attention != nullptr) {
    const Activations& qkv = turns_positions() ? workspace.turned() : workspace.qkv();
    AttendIn<Bf16>(qkv.bf16(num_tokens), batch, member, workspace);
  } else {
    AttendIn<float>(workspace.qkv().f32(num_tokens), batch, member, workspace);
  }
  member.Meet();
}

void Attention::AddOutput(size_t num_rows, const TeamMember& member,
                          const Workspace& workspace) const {
  Prepare(kernels_, workspace.context(), num_rows, member);
  Multiply(kernels_, Stage::kAttentionOutput, member,
           {.input = workspace.context().operand(num_rows),
            .linear = output_,
            .output = (has_branch_ ? workspace.branch() : workspace.hidden()).output(num_rows),
            .epilogue = has_branch_ ? kernels::Epilogue::kStore : kernels::Epilogue::kAdd});
}

void Attention::TurnPositions(const RaggedBatch& batch, const TeamMember& member,
                              const Workspace& workspace) const {
  constexpr size_t kBlock = 8;  // Rows that stay in the L1 cache.
  const size_t num_tokens = batch.num_tokens();
  const MatrixView<float> qkv = workspace.qkv().f32(num_tokens);
  const bool in_bf16 = kernels_.attention_bf16.attention != nullptr;
  const auto share = member.Share(num_tokens);
  for (size_t s = 0; s < batch.num_sequences(); ++s) {
    const size_t begin = batch.begin(s), length = batch.length(s);
    const size_t last = std::min(begin + length, share.end);
    if (rotary_ != nullptr && begin < share.end && begin + length > share.begin)
      rotary_->Reach(length);
    for (size_t first = std::max(begin, share.begin); first < last; first += kBlock) {
      const size_t count = std::min(kBlock, last - first);
      const MatrixView<float> rows = qkv.Rows(first, count);
      TurnRows(rows, length, first - begin);
      if (in_bf16) kernels_.to_bf16(rows, workspace.turned().bf16(num_tokens).Rows(first, count));
    }
  }
  member.Lap(Stage::kPositions, WorkOnRows(share.end - share.begin, qkv.cols()));
  member.MeetForRows();
}

void Attention::TurnRows(MatrixView<float> rows, size_t length, size_t first_position) const {
  const auto norm_heads = [&](const Norm& norm, size_t first_head, size_t num_heads) {
    for (size_t i = 0; i < rows.rows(); ++i) {
      norm.Forward(
          MatrixView<float>(rows.row(i).data() + first_head * head_dim_, num_heads, head_dim_));
    }
  };
  if (query_norm_) norm_heads(*query_norm_, 0, num_heads_);
  if (key_norm_) norm_heads(*key_norm_, num_heads_, num_key_value_heads_);
  if (rotary_ == nullptr) return;
  kernels_.rotate({.rows = rows.Columns(0, (num_heads_ + num_key_value_heads_) * head_dim_),
                   .cos_sin = rotary_->Rows(length, first_position, rows.rows()),
                   .head_dim = head_dim_,
                   .rotary_dim = rotary_->rotary_dim()});
}

// All queries against the first `attended` keys. The kernel takes as many queries as keys: they
// come in groups, the last of which may compute some again.
template <typename T>
void AttendToFirst(const kernels::AttentionKernels<T>& kernel, size_t attended,
                   kernels::AttentionArgs<T> all) {
  const size_t length = all.query.rows();
  for (size_t next = 0; next < length; next += attended) {
    const size_t first = std::min(next, length - attended);
    kernels::AttentionArgs<T> args = all;
    args.query = all.query.Rows(first, attended);
    args.key = all.key.Rows(0, attended);
    args.value = all.value.Rows(0, attended);
    args.context = all.context.Rows(first, attended);
    kernel.attention(args);
    all.scratch_has_keys = true;
  }
}

bool Attention::IsPlain(size_t length) const {
  return !has_scores_rule_ && left_ + 1 >= length && right_ + 1 >= length;
}

template <typename T>
kernels::AttentionPattern<T> Attention::Pattern(size_t head) const {
  kernels::AttentionPattern<T> pattern{.left = left_,
                                       .right = right_,
                                       .softcap = softcap_,
                                       .distance_bias = tables_.distance_bias.head(head)};
  if (relative_rows_ == 0) return pattern;
  const Relative<T>& relative = [&]() -> const Relative<T>& {
    if constexpr (std::is_same_v<T, float>)
      return relative_f32_;
    else
      return relative_bf16_;
  }();
  const auto of_head = [&](const std::vector<T>& values) {
    const size_t size = num_heads_ * head_dim_;
    return values.empty() ? MatrixView<const T>(nullptr, 0, head_dim_)
                          : MatrixView<const T>(values.data(), relative_rows_, size)
                                .Columns(head * head_dim_, head_dim_);
  };
  pattern.position_key = of_head(relative.keys);
  pattern.position_query = of_head(relative.queries);
  pattern.position_rows = &tables_.disentangled_rows[tables_.max_positions - 1];
  return pattern;
}

template <typename T>
void Attention::AttendIn(MatrixView<const T> qkv, const RaggedBatch& batch,
                         const TeamMember& member, Workspace& workspace) const {
  const auto& plain = [&]() -> const kernels::AttentionKernels<T>& {
    if constexpr (std::is_same_v<T, float>)
      return kernels_.attention;
    else
      return kernels_.attention_bf16;
  }();
  const auto& patterned = [&]() -> const kernels::PatternedAttentionKernels<T>& {
    if constexpr (std::is_same_v<T, float>)
      return kernels_.patterned_attention;
    else
      return kernels_.patterned_attention_bf16;
  }();
  const size_t keys = num_heads_ * head_dim_, values = keys + num_key_value_heads_ * head_dim_;
  const size_t heads_per_key = num_heads_ / num_key_value_heads_;
  const kernels::Output context = workspace.context().output(batch.num_tokens());
  // Some heads of a sequence are a piece of work of their own; they go round the team, because
  // sequences differ in length. Heads with the same keys are one piece, and pack them once.
  const size_t heads_per_piece =
      HeadsPerPiece(num_heads_, heads_per_key, static_cast<size_t>(member.size));
  const size_t pieces_per_sequence = num_heads_ / heads_per_piece;
  const size_t pieces = batch.num_sequences() * pieces_per_sequence;
  const auto first_head_of = [&](size_t piece) {
    return piece % pieces_per_sequence * heads_per_piece;
  };
  // With the queries of its first head.
  const auto rows_of = [&](size_t piece) -> kernels::HeadRows<T> {
    const size_t sequence = piece / pieces_per_sequence, head = first_head_of(piece);
    const MatrixView<const T> rows = qkv.Rows(batch.begin(sequence), batch.length(sequence));
    const size_t key_column = head / heads_per_key * head_dim_;
    return {.query = rows.Columns(head * head_dim_, head_dim_),
            .key = rows.Columns(keys + key_column, head_dim_),
            .value = rows.Columns(values + key_column, head_dim_)};
  };
  const auto step = static_cast<size_t>(member.size);
  StageWork work;
  for (size_t piece = static_cast<size_t>(member.rank); piece < pieces; piece += step) {
    const size_t sequence = piece / pieces_per_sequence;
    const size_t first_head = first_head_of(piece);
    const size_t begin = batch.begin(sequence), length = batch.length(sequence);
    if (length == 0) continue;
    const kernels::HeadRows<T> rows = rows_of(piece);
    kernels::AttentionArgs<T> args{
        .query = {},
        .key = rows.key,
        .value = rows.value,
        .context = {},
        .scale = scale_,
        .scratch = workspace.attention_scratch(static_cast<size_t>(member.rank))};
    for (size_t head = first_head; head < first_head + heads_per_piece; ++head) {
      const size_t column = head * head_dim_;
      args.query = qkv.Rows(begin, length).Columns(column, head_dim_);
      args.context = context.Rows(begin, length).Columns(column, head_dim_);
      args.scratch_has_keys = head != first_head;
      if (head + 1 == first_head + heads_per_piece && piece + step < pieces)
        args.next = rows_of(piece + step);
      if (const size_t attended = batch.attended_length(sequence); attended < length) {
        AttendToFirst(plain, attended, args);
      } else if (IsPlain(length)) {
        plain.attention(args);
      } else {
        patterned.attention(args, Pattern<T>(head));
      }
      work += WorkOf(args);
    }
  }
  member.Lap(Stage::kAttention, work);
}

}  // namespace akin::encoder

#include "engine/embedder_impl.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <new>
#include <numeric>
#include <optional>
#include <utility>

#include "base/floating_point.h"
#include "base/strings.h"
#include "batching/rectangle_plan.h"
#include "pooling/pooling.h"

namespace akin {
namespace {

using batching::Batch;
using engine::BatchSlot;
using engine::TokenizedTexts;

// Sharing a batch costs some fifty barriers; below this much work (about 50 microseconds) one
// thread is done sooner.
constexpr double kLeastTeamFlops = 5e6;

double MillisecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// Gathers the texts of `batch` end to end.
void FillSlot(const TokenizedTexts& texts, const Batch& batch, size_t dimension, BatchSlot& slot) {
  slot.input_ids.clear();
  slot.token_type_ids.clear();
  slot.cu_seqlens.assign(1, 0);
  slot.segments.clear();
  for (const uint32_t text : batch) {
    const auto ids = texts.input_ids(text), types = texts.token_type_ids(text);
    const size_t excluded = static_cast<size_t>(texts.excluded()[text]);
    slot.segments.push_back({.begin = slot.input_ids.size() + excluded,
                             .length = ids.size() - excluded,
                             .first_position = excluded});
    slot.input_ids.insert(slot.input_ids.end(), ids.begin(), ids.end());
    slot.token_type_ids.insert(slot.token_type_ids.end(), types.begin(), types.end());
    slot.cu_seqlens.push_back(static_cast<int32_t>(slot.input_ids.size()));
  }
  slot.vectors.resize(batch.size() * dimension);
}

MatrixView<float> SlotVectors(BatchSlot& slot, size_t dimension) {
  return {slot.vectors.data(), slot.vectors.size() / dimension, dimension};
}

// Copies the batch's vectors to the rows of their texts. A vector is right or it is an error.
Status ScatterVectors(const Batch& batch, MatrixView<const float> from, MatrixView<float> to) {
  for (size_t i = 0; i < batch.size(); ++i) {
    const std::span<const float> row = from.row(i);
    if (!std::ranges::all_of(row, [](float x) { return std::isfinite(x); })) {
      return Internal("the model gave a vector for text ", batch[i],
                      " that is not finite (NaN or infinity); its weights may be damaged");
    }
    std::ranges::copy(row, to.row(batch[i]).begin());
  }
  return {};
}

}  // namespace

Embedder::Impl::Impl(engine::LoadedModel loaded)
    : info_(std::move(loaded.info)),
      prompt_(std::move(loaded.prompt)),
      truncation_side_(loaded.truncation_side),
      tokenizer_(std::move(loaded.tokenizer)),
      network_(std::move(loaded.network)),
      sessions_(network_, static_cast<size_t>(info_.num_threads),
                static_cast<size_t>(std::max(info_.batch_tokens, info_.max_positions)),
                static_cast<size_t>(info_.num_threads)),
      pool_(info_.num_threads) {}

Result<Embeddings> Embedder::Impl::Embed(std::span<const std::string_view> texts,
                                         const EmbedOptions& options) const {
  const auto start = std::chrono::steady_clock::now();
  AKIN_TRY_ASSIGN(const TokenizedTexts tokenized, Tokenize(texts, options));
  Usage usage;
  usage.tokenize_ms = MillisecondsSince(start);

  const size_t dimension = static_cast<size_t>(info_.dimension);
  std::vector<float> values(texts.size() * dimension);
  const MatrixView<float> vectors(values.data(), texts.size(), dimension);
  AKIN_TRY(Compute(tokenized, info_.num_threads, vectors));
  if (options.normalize.value_or(info_.normalize)) {
    const ScopedFlushDenormals as_the_workers;  // The caller may round in another way.
    for (size_t i = 0; i < vectors.rows(); ++i) pooling::Normalize(vectors.row(i));
  }

  for (size_t i = 0; i < tokenized.size(); ++i) {
    usage.total_tokens += tokenized.lengths()[i];
    usage.truncated_texts += tokenized.truncated()[i] > 0 ? 1 : 0;
    usage.truncated_tokens += tokenized.truncated()[i];
  }
  usage.duration_ms = MillisecondsSince(start);
  usage.compute_ms = usage.duration_ms - usage.tokenize_ms;
  return Embeddings(std::move(values), dimension,
                    {tokenized.lengths().begin(), tokenized.lengths().end()},
                    {tokenized.truncated().begin(), tokenized.truncated().end()}, usage);
}

Result<TokenizedTexts> Embedder::Impl::Tokenize(std::span<const std::string_view> texts,
                                                const EmbedOptions& options) const {
  const int max_tokens = options.max_tokens.value_or(info_.max_tokens);
  if (max_tokens < 1 || max_tokens > info_.max_positions) {
    return InvalidInput("max_tokens is ", max_tokens, ", expected 1 to ", info_.max_positions,
                        ", the number of positions of model '", info_.model, "'");
  }
  AKIN_TRY_ASSIGN(const int32_t excluded_tokens, ExcludedTokens(prompt_));
  AKIN_TRY_ASSIGN(TokenizedTexts tokenized,
                  TokenizedTexts::Make(
                      *tokenizer_, texts, {.text = prompt_, .excluded_tokens = excluded_tokens},
                      {.max_tokens = max_tokens, .truncation_side = truncation_side_}, pool_));
  if (!options.truncate) {
    for (size_t i = 0; i < tokenized.size(); ++i) {
      if (const int cut = tokenized.truncated()[i]; cut > 0) {
        return InvalidInput("text ", i, " has ", tokenized.lengths()[i] + cut,
                            " tokens, the limit is ", max_tokens, " and truncation is off");
      }
    }
  }
  return tokenized;
}

std::vector<Batch> Embedder::Impl::PlanFor(const TokenizedTexts& texts, size_t num_workers) const {
  const size_t token_budget = static_cast<size_t>(info_.batch_tokens);
  const auto& rectangles = network_.info().rectangles;
  // Sequences that are computed one by one are padded to nothing.
  if (!rectangles || rectangles->one_sequence) {
    return batching::PlanBatches(texts.lengths(),
                                 {.token_budget = token_budget, .num_workers = num_workers});
  }
  return batching::PlanRectangles(texts.lengths(), {.token_budget = token_budget,
                                                    .num_workers = num_workers,
                                                    .buckets = rectangles->length_buckets});
}

Status Embedder::Impl::Compute(const TokenizedTexts& texts, int max_threads,
                               MatrixView<float> vectors) const {
  const size_t num_threads = static_cast<size_t>(std::min(max_threads, info_.num_threads));
  const std::vector<Batch> plan = PlanFor(texts, num_threads);
  if (plan.empty()) return {};  // No texts, or none with a token: vectors of zeros.
  if (num_threads > 1 && 2 * plan.size() <= num_threads)
    return ComputeTogether(texts, plan, vectors);
  return ComputeApart(texts, plan, vectors);
}

Status Embedder::Impl::ComputeApart(const TokenizedTexts& texts, std::span<const Batch> plan,
                                    MatrixView<float> vectors) const {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  Status first_error;  // Guarded by mutex.
  const auto compute = [&](const Batch& batch, const TeamMember& alone, BatchSlot& slot) -> Status {
    FillSlot(texts, batch, vectors.cols(), slot);
    alone.Lap(Stage::kCopy);
    const MatrixView<float> batch_vectors = SlotVectors(slot, vectors.cols());
    const RaggedBatch tokens = slot.batch();
    AKIN_TRY(network_.Compute({tokens, slot.segments}, alone, *slot.session, batch_vectors));
    const Status status = ScatterVectors(batch, batch_vectors, vectors);
    alone.Lap(Stage::kCopy);
    return status;
  };
  const auto work = [&](const TeamMember& member) {
    const ScopedFlushDenormals flush_denormals;
    const TeamMember alone{.clock = member.clock};
    std::optional<engine::SessionPool::Lease> slot;
    for (size_t i; (i = next.fetch_add(1)) < plan.size();) {
      Status status;
      try {
        if (!slot) slot.emplace(sessions_);
        status = compute(plan[i], alone, **slot);
      } catch (const std::bad_alloc&) {
        status = OutOfMemory();
      }
      if (!status) {
        next = plan.size();  // The others stop too.
        const std::lock_guard lock(mutex);
        if (first_error) first_error = std::move(status);
      }
    }
  };
  pool_.Run(static_cast<int>(std::min(plan.size(), static_cast<size_t>(info_.num_threads))), work);
  return first_error;
}

Status Embedder::Impl::ComputeTogether(const TokenizedTexts& texts, std::span<const Batch> plan,
                                       MatrixView<float> vectors) const {
  std::optional<engine::SessionPool::Lease> slot;
  // Both written by the member of rank 0: `prepared` before the team meets, `status` after it has
  // parted.
  bool prepared = false;
  Status status;
  // What can run out of memory ends here: an exception would leave the others at a barrier.
  const auto prepare = [&](const Batch& batch) noexcept {
    try {
      if (!slot) slot.emplace(sessions_);
      FillSlot(texts, batch, vectors.cols(), **slot);
      prepared = true;
    } catch (const std::bad_alloc&) {
      prepared = false;
      status = OutOfMemory();
    }
  };
  const auto finish = [&](const Batch& batch, Status computed) noexcept {
    try {
      status = computed ? ScatterVectors(batch, SlotVectors(**slot, vectors.cols()), vectors)
                        : std::move(computed);
    } catch (const std::bad_alloc&) {
      status = OutOfMemory();
    }
  };
  const auto work = [&](const TeamMember& member) {
    const ScopedFlushDenormals flush_denormals;
    for (const Batch& batch : plan) {
      if (member.rank == 0) prepare(batch);
      member.Lap(Stage::kCopy);
      member.Meet();
      if (!prepared) break;
      const RaggedBatch tokens = (*slot)->batch();
      Status computed = network_.Compute({tokens, (*slot)->segments}, member, *(*slot)->session,
                                         SlotVectors(**slot, vectors.cols()));
      member.Meet();
      if (member.rank == 0 && status) finish(batch, std::move(computed));
      member.Lap(Stage::kCopy);
    }
    if (member.rank == 0) slot.reset();  // While this thread still holds its turn.
  };
  const size_t num_tokens = static_cast<size_t>(
      std::accumulate(texts.lengths().begin(), texts.lengths().end(), int64_t{0}));
  const bool worth_a_team =
      static_cast<double>(num_tokens) * network_.info().flops_per_token >= kLeastTeamFlops;
  pool_.Run(worth_a_team ? info_.num_threads : 1, work);
  return status;
}

Result<int32_t> Embedder::Impl::ExcludedTokens(std::string_view prompt) const {
  if (prompt.empty() || !network_.pipeline().excludes_prompt()) return 0;
  tokenizer::Scratch scratch;
  AKIN_TRY_ASSIGN(const Encoding encoding,
                  tokenizer_->Encode(
                      prompt, {.max_tokens = info_.max_positions, .with_offsets = true}, scratch));
  // An end token that the tokenizer adds stands behind the text, not behind the prompt.
  const bool ends = !encoding.ids.empty() && encoding.special_tokens_mask.back() != 0;
  return static_cast<int32_t>(encoding.ids.size()) - (ends ? 1 : 0);
}

Status Embedder::Impl::Health() const {
  AKIN_TRY_ASSIGN(const Embeddings embeddings,
                  Embed(std::array<std::string_view, 1>{"health"}, {}));
  double squares = 0.0;
  for (const float x : embeddings[0]) squares += double{x} * double{x};
  if (squares == 0.0)
    return Internal("model '", info_.model, "' gives a vector of zeros for a test text");
  return {};
}

}  // namespace akin

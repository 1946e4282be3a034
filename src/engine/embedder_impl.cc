#include "engine/embedder_impl.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "engine/scores.h"

namespace akin {
namespace {

using engine::ReadTexts;
using engine::RowCollector;
using engine::SparseCollector;
using engine::TokenCollector;
using engine::Wanted;
using std::chrono::steady_clock;

double MillisecondsSince(steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
}

Wanted Only(Output output) {
  Wanted wanted{};
  wanted[static_cast<size_t>(output)] = true;
  return wanted;
}

}  // namespace

Embedder::Impl::Impl(engine::LoadedModel loaded)
    : info_(std::move(loaded.info)),
      settings_(std::move(loaded.settings)),
      score_activation_(loaded.score_activation),
      skip_first_vector_(loaded.skip_first_vector),
      unreadable_(std::move(loaded.unreadable)),
      tokenizer_(std::move(loaded.tokenizer)),
      public_tokenizer_(tokenizer::WrapPipeline(tokenizer_)),
      computer_(std::move(loaded.network), {.num_threads = info_.num_threads,
                                            .batch_tokens = info_.batch_tokens,
                                            .max_positions = info_.max_positions}) {}

Status Embedder::Impl::CheckGives(Output output) const {
  if (info_.Gives(output)) return {};
  const auto unreadable =
      std::ranges::find(unreadable_, output, &std::pair<Output, std::string>::first);
  if (unreadable != unreadable_.end()) {
    return UnsupportedModel("model '", info_.model, "' has ", OutputName(output), " vectors, but ",
                            unreadable->second);
  }
  std::string gives;
  for (const Output other : info_.outputs)
    gives += StrCat(gives.empty() ? "" : ", ", OutputName(other));
  return InvalidInput("model '", info_.model, "' (", ModelKindName(info_.kind), ") gives ", gives,
                      ", not ", OutputName(output));
}

Result<engine::VectorShape> Embedder::Impl::Shape(const EmbedOptions& options) const {
  if (options.dimensions && options.truncate_dim) {
    return InvalidInput("dimensions and truncate_dim are both given; they exclude each other");
  }
  engine::VectorShape shape{.normalize = options.normalize.value_or(info_.normalize)};
  const auto cut = options.dimensions ? options.dimensions : options.truncate_dim;
  if (!cut) return shape;
  if (*cut < 1 || *cut > info_.dimension) {
    return InvalidInput(options.dimensions ? "dimensions" : "truncate_dim", " is ", *cut,
                        ", expected 1 to ", info_.dimension, ", the dimension of model '",
                        info_.model, "'");
  }
  shape.cut = static_cast<size_t>(*cut);
  shape.normalize_after_cut = options.dimensions && options.normalize.value_or(true);
  return shape;
}

Result<Embeddings> Embedder::Impl::FinishDense(const ReadTexts& read, RowCollector& rows,
                                               const EmbedOptions& options,
                                               TextReport report) const {
  AKIN_TRY_ASSIGN(engine::VectorShape shape, Shape(options));
  size_t dimension = rows.rows().cols();
  std::vector<float> values;
  if (read.weights.empty()) {
    values = rows.TakeValues();
  } else {
    values = engine::AverageWindows(read, rows.rows(), shape.normalize);
    shape.normalize = false;
  }
  dimension = engine::ShapeVectors(shape, dimension, values);
  return Embeddings(std::move(values), dimension, std::move(report), read.chunks);
}

Result<Embeddings> Embedder::Impl::Embed(std::span<const std::string_view> texts,
                                         const EmbedOptions& options) const {
  AKIN_TRY_ASSIGN(AllEmbeddings all, EmbedAll(texts, std::array{Output::kDense}, options));
  return std::move(all.dense);
}

Result<AllEmbeddings> Embedder::Impl::EmbedAll(std::span<const std::string_view> texts,
                                               std::span<const Output> outputs,
                                               const EmbedOptions& options) const {
  const auto start = steady_clock::now();
  Wanted wanted{};
  for (const Output output : outputs) {
    if (output == Output::kScores)
      return InvalidInput("scores are made by Classify, ScorePairs and Rerank");
    AKIN_TRY(CheckGives(output));
    wanted[static_cast<size_t>(output)] = true;
  }
  AKIN_TRY(Shape(options));
  if (options.top_k && *options.top_k < 1)
    return InvalidInput("top_k is ", *options.top_k, ", expected at least 1");
  const auto wants = [&](Output output) { return wanted[static_cast<size_t>(output)]; };
  if (!wants(Output::kDense) && options.overflow != Overflow::kTruncate &&
      options.overflow != Overflow::kError) {
    return InvalidInput("overflow is \"", OverflowName(options.overflow),
                        "\", which makes dense vectors; others take \"truncate\" or \"error\"");
  }
  AKIN_TRY_ASSIGN(const ReadTexts read, reader().Read(texts, options, computer_.pool()));
  Usage usage;
  usage.tokenize_ms = MillisecondsSince(start);

  const engine::Network& network = computer_.network();
  const size_t count = read.sequences.size();
  engine::CollectorGroup group;
  std::optional<RowCollector> dense;
  std::optional<SparseCollector> sparse;
  std::optional<TokenCollector> multi_vector, tokens;
  if (wants(Output::kDense)) group.Add(&dense.emplace(network, Output::kDense, read.sequences));
  if (wants(Output::kSparse))
    group.Add(&sparse.emplace(network, count, SpecialTokens(), options.top_k));
  if (wants(Output::kMultiVector)) {
    group.Add(&multi_vector.emplace(network, Output::kMultiVector, count, LeftOutTokens(options),
                                    skip_first_vector_,
                                    network.chain(Output::kMultiVector)->normalizes()));
  }
  if (wants(Output::kTokens)) {
    group.Add(
        &tokens.emplace(network, Output::kTokens, count, std::vector<int32_t>(), false, false));
  }
  AKIN_TRY(computer_.Compute(read.sequences, wanted, info_.num_threads, group));
  usage.duration_ms = MillisecondsSince(start);
  usage.compute_ms = usage.duration_ms - usage.tokenize_ms;
  const TextReport report = engine::MakeReport(read, usage, options.return_ids);
  AllEmbeddings all;
  if (dense) {
    AKIN_TRY_ASSIGN(all.dense, FinishDense(read, *dense, options, report));
  }
  if (sparse) all.sparse = SparseEmbeddings(sparse->TakeVectors(), report);
  if (multi_vector) all.multi_vector = multi_vector->Finish(report);
  if (tokens) all.tokens = tokens->Finish(report);
  return all;
}

std::vector<int32_t> Embedder::Impl::LeftOutTokens(const EmbedOptions& options) const {
  std::vector<int32_t> ids;
  if (!settings_.late) return ids;
  if (reader().ReadsQueries(options) && !settings_.late->skip_in_queries) return ids;
  for (const std::string& word : settings_.late->skiplist_words) {
    if (const auto id = tokenizer_->TokenToId(word)) ids.push_back(*id);
  }
  std::ranges::sort(ids);
  return ids;
}

std::vector<bool> Embedder::Impl::SpecialTokens() const {
  std::vector<bool> special;
  for (const std::string_view name :
       {"<s>", "</s>", "<pad>", "<unk>", "[CLS]", "[SEP]", "[PAD]", "[UNK]"}) {
    const auto id = tokenizer_->TokenToId(name);
    if (!id) continue;
    special.resize(std::max(special.size(), static_cast<size_t>(*id) + 1));
    special[static_cast<size_t>(*id)] = true;
  }
  return special;
}

Result<Scores> Embedder::Impl::Score(const ReadTexts& read, const ScoreOptions& options,
                                     Usage usage) const {
  const auto start = steady_clock::now();
  RowCollector rows(computer_.network(), Output::kScores, read.sequences);
  AKIN_TRY(computer_.Compute(read.sequences, Only(Output::kScores), info_.num_threads, rows));
  const ScoreActivation activation =
      options.activation == ScoreActivation::kModel ? score_activation_ : options.activation;
  for (size_t i = 0; i < rows.rows().rows(); ++i)
    engine::ApplyActivation(activation, rows.rows().row(i));
  usage.compute_ms = MillisecondsSince(start);
  usage.duration_ms = usage.tokenize_ms + usage.compute_ms;
  const size_t num_labels = rows.rows().cols();
  return Scores(rows.TakeValues(), num_labels, engine::MakeReport(read, usage, options.return_ids));
}

Result<Scores> Embedder::Impl::Classify(std::span<const std::string_view> texts,
                                        const ScoreOptions& options) const {
  AKIN_TRY(CheckGives(Output::kScores));
  const auto start = steady_clock::now();
  AKIN_TRY_ASSIGN(const ReadTexts read, reader().Read(texts,
                                                      {.max_tokens = options.max_tokens,
                                                       .overflow = options.overflow,
                                                       .truncation_side = options.truncation_side},
                                                      computer_.pool()));
  return Score(read, options, {.tokenize_ms = MillisecondsSince(start)});
}

Result<Scores> Embedder::Impl::ScorePairs(std::span<const TextPair> pairs,
                                          const ScoreOptions& options) const {
  AKIN_TRY(CheckGives(Output::kScores));
  const auto start = steady_clock::now();
  AKIN_TRY_ASSIGN(const ReadTexts read, reader().ReadPairs(pairs, options, computer_.pool()));
  return Score(read, options, {.tokenize_ms = MillisecondsSince(start)});
}

Result<Scores> Embedder::Impl::Rerank(std::string_view query,
                                      std::span<const std::string_view> documents,
                                      const ScoreOptions& options) const {
  if (!info_.Gives(Output::kScores) && info_.Gives(Output::kMultiVector))
    return RerankByMaxSim(query, documents, options);
  AKIN_TRY(CheckGives(Output::kScores));
  if (info_.labels.size() != 1) {
    return InvalidInput("model '", info_.model, "' is a classifier of ", info_.labels.size(),
                        " labels; a reranker has one");
  }
  std::vector<TextPair> pairs;
  for (const std::string_view document : documents) pairs.push_back({query, document});
  return ScorePairs(pairs, options);
}

Result<Scores> Embedder::Impl::RerankByMaxSim(std::string_view query,
                                              std::span<const std::string_view> documents,
                                              const ScoreOptions& options) const {
  EmbedOptions embed{.max_tokens = options.max_tokens,
                     .overflow = options.overflow,
                     .truncation_side = options.truncation_side,
                     .return_ids = options.return_ids};
  const std::array outputs{Output::kMultiVector};
  AKIN_TRY_ASSIGN(const AllEmbeddings of_documents, EmbedAll(documents, outputs, embed));
  if (settings_.late) embed.prompt_name = "query";
  embed.max_tokens.reset();
  AKIN_TRY_ASSIGN(const AllEmbeddings of_query, EmbedAll(std::array{query}, outputs, embed));
  std::vector<float> values;
  for (size_t i = 0; i < documents.size(); ++i)
    values.push_back(MaxSim(of_query.multi_vector[0], of_documents.multi_vector[i]));
  return Scores(std::move(values), 1, of_documents.multi_vector);
}

Status Embedder::Impl::Health() const {
  const std::array<std::string_view, 1> texts{"health"};
  const auto zeros = [&] {
    return Internal("model '", info_.model, "' gives a vector of zeros for a test text");
  };
  if (info_.Gives(Output::kScores)) {
    AKIN_TRY(Classify(texts, {}));
    return {};
  }
  const std::array outputs{info_.outputs.front()};
  AKIN_TRY_ASSIGN(const AllEmbeddings all, EmbedAll(texts, outputs, {}));
  if (outputs[0] != Output::kDense) return {};
  if (std::ranges::all_of(all.dense[0], [](float x) { return x == 0.0f; })) return zeros();
  return {};
}

}  // namespace akin

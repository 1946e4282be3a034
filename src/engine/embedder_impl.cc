#include "engine/embedder_impl.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace akin {
namespace {

using engine::EmbedCall;
using engine::ReadTexts;
using engine::ScoreCall;
using engine::ScoredText;
using std::chrono::steady_clock;

// The error of a call with a text of ours, which the caller has not given.
Error OfTestText(const Error& error) {
  constexpr std::string_view kPlace = "text 0: ";
  if (!error.message().starts_with(kPlace)) return error;
  return error.Reworded(StrCat("a test text: ", error.message().substr(kPlace.size())));
}

double MillisecondsSince(steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
}

}  // namespace

Embedder::Impl::Impl(engine::LoadedModel loaded)
    : info_(std::move(loaded.info)),
      settings_(std::move(loaded.settings)),
      score_activation_(loaded.score_activation),
      skip_first_vector_(loaded.skip_first_vector),
      full_dimension_(loaded.full_dimension),
      normalize_(loaded.normalize),
      top_k_(loaded.top_k),
      unreadable_(std::move(loaded.unreadable)),
      tokenizer_(std::move(loaded.tokenizer)),
      public_tokenizer_(tokenizer::WrapPipeline(tokenizer_)),
      computer_(std::move(loaded.network), {.num_threads = info_.num_threads,
                                            .batch_tokens = info_.batch_tokens,
                                            .max_positions = info_.max_positions,
                                            .worker_cpus = std::move(loaded.worker_cpus)}) {}

std::shared_ptr<Embedder::Impl> Embedder::Impl::Make(engine::LoadedRoutes loaded) {
  std::shared_ptr<Impl> root;
  std::vector<std::pair<std::string, std::shared_ptr<const Impl>>> routes;
  for (engine::LoadedModel& model : loaded.models) {
    std::string name = model.route;
    auto impl = std::make_shared<Impl>(std::move(model));
    const bool is_root =
        loaded.default_route.empty() ? root == nullptr : name == loaded.default_route;
    if (is_root) root = impl;
    routes.emplace_back(std::move(name), is_root ? nullptr : std::move(impl));
  }
  if (loaded.tasks.empty()) return root;
  root->has_default_route_ = !loaded.default_route.empty();
  for (const auto& [task, of_task] : loaded.tasks) {
    const auto route = std::ranges::find(
        routes, of_task, &std::pair<std::string, std::shared_ptr<const Impl>>::first);
    root->tasks_.emplace_back(task, route->second);
  }
  for (auto& [name, impl] : routes) {
    if (impl != nullptr) root->routes_.push_back(std::move(impl));
  }
  return root;
}

Result<const Embedder::Impl*> Embedder::Impl::RouteOf(const EmbedOptions& options) const {
  if (tasks_.empty()) return this;
  std::string names;
  for (const auto& [name, impl] : tasks_) {
    if (name == options.prompt_name) return impl == nullptr ? this : impl.get();
    names += StrCat(names.empty() ? "" : ", ", name);
  }
  if (has_default_route_) return this;
  return InvalidInput("prompt_name is not one of the tasks of model '", info_.model, "': ", names,
                      "; the model has no default")
      .Of("prompt_name");
}

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

Status Embedder::Impl::Cut(const EmbedOptions& options, int dimension,
                           engine::VectorShape& shape) const {
  if (options.dimensions && options.truncate_dim) {
    return InvalidInput("dimensions and truncate_dim are both given; they exclude each other");
  }
  const auto cut = options.dimensions ? options.dimensions : options.truncate_dim;
  if (!cut) return {};
  if (*cut < 1 || *cut > dimension) {
    return InvalidInput(options.dimensions ? "dimensions" : "truncate_dim", " is ", *cut,
                        ", expected 1 to ", dimension, ", the dimension of model '", info_.model,
                        "'")
        .Of(options.dimensions ? "dimensions" : "truncate_dim");
  }
  shape.cut = static_cast<size_t>(*cut);
  shape.normalize_after_cut = options.dimensions.has_value();
  return {};
}

Result<engine::VectorShape> Embedder::Impl::Shape(const EmbedOptions& options) const {
  engine::VectorShape shape{.normalize = options.normalize.value_or(normalize_)};
  if (info_.dimension < full_dimension_) shape.cut = static_cast<size_t>(info_.dimension);
  AKIN_TRY(Cut(options, full_dimension_, shape));
  // As sentence-transformers' encode(truncate_dim=, normalize_embeddings=): a cut, the folder's
  // too, and then the call's wish. `dimensions` wishes for length 1 by itself.
  shape.normalize_after_cut =
      shape.cut && options.normalize.value_or(options.dimensions.has_value());
  return shape;
}

Result<engine::VectorShape> Embedder::Impl::TokenShape(Output output,
                                                       const EmbedOptions& options) const {
  const pooling::Chain& chain = *computer_.network().chain(output);
  engine::VectorShape shape{.normalize = chain.normalizes()};
  AKIN_TRY(Cut(options, static_cast<int>(chain.output().width), shape));
  return shape;
}

Result<Embeddings> Embedder::Impl::Embed(std::span<const std::string_view> texts,
                                         const EmbedOptions& options) const {
  AKIN_TRY_ASSIGN(AllEmbeddings all, EmbedAll(texts, std::array{Output::kDense}, options));
  return std::move(all.dense);
}

template <typename ReadCall>
auto Embedder::Impl::Run(ReadCall read_call) {
  using ResultType = decltype((*read_call())->Finish({}));
  const auto start = steady_clock::now();
  Usage usage;
  return [&]() -> ResultType {
    AKIN_TRY_ASSIGN(const auto call, read_call());
    usage.tokenize_ms = MillisecondsSince(start);
    AKIN_TRY(ComputeAlone(*call, {.max_threads = kMaxThreads}));
    usage.duration_ms = MillisecondsSince(start);
    usage.compute_ms = usage.duration_ms - usage.tokenize_ms;
    return call->Finish(usage);
  }();
}

Result<AllEmbeddings> Embedder::Impl::EmbedAll(std::span<const std::string_view> texts,
                                               std::span<const Output> outputs,
                                               const EmbedOptions& options) const {
  return Run([&] { return ReadEmbed(texts, outputs, options); });
}

Status Embedder::Impl::CheckOutputs(std::span<const Output> outputs,
                                    const EmbedOptions& options) const {
  for (const Output output : outputs) {
    if (output == Output::kScores)
      return InvalidInput("scores are made by Classify, ScorePairs and Rerank");
    AKIN_TRY(CheckGives(output));
  }
  if (options.top_k && *options.top_k < 1)
    return InvalidInput("top_k is ", *options.top_k, ", expected at least 1").Of("top_k");
  const auto wants = [&](Output output) {
    return std::ranges::find(outputs, output) != outputs.end();
  };
  const bool cuts = options.dimensions || options.truncate_dim;
  if (cuts && outputs.size() == 1 && wants(Output::kSparse)) {
    return InvalidInput(options.dimensions ? "dimensions" : "truncate_dim",
                        " cuts vectors of all values; top_k is what shortens sparse ones")
        .Of(options.dimensions ? "dimensions" : "truncate_dim");
  }
  if (!wants(Output::kDense) && options.overflow != Overflow::kTruncate &&
      options.overflow != Overflow::kError) {
    return InvalidInput("overflow is \"", OverflowName(options.overflow),
                        "\", which makes dense vectors; others take \"truncate\" or \"error\"")
        .Of("overflow");
  }
  return {};
}

Result<std::unique_ptr<EmbedCall>> Embedder::Impl::ReadEmbed(
    std::span<const std::string_view> texts, std::span<const Output> outputs,
    const EmbedOptions& options) const {
  AKIN_TRY_ASSIGN(const Impl* const route, RouteOf(options));
  return route->ReadHere(texts, outputs, options);
}

Result<std::unique_ptr<EmbedCall>> Embedder::Impl::ReadHere(std::span<const std::string_view> texts,
                                                            std::span<const Output> outputs,
                                                            const EmbedOptions& options) const {
  AKIN_TRY(CheckOutputs(outputs, options));
  EmbedCall::Plan plan{.top_k = options.top_k ? options.top_k : top_k_,
                       .skip_first_vector = skip_first_vector_,
                       .return_ids = options.return_ids};
  for (const Output output : outputs) {
    plan.wanted[static_cast<size_t>(output)] = true;
    if (output == Output::kDense) {
      AKIN_TRY_ASSIGN(plan.dense, Shape(options));
    } else if (output == Output::kMultiVector) {
      AKIN_TRY_ASSIGN(plan.multi_vector, TokenShape(output, options));
    } else if (output == Output::kTokens) {
      AKIN_TRY_ASSIGN(plan.tokens, TokenShape(output, options));
    }
    if (output == Output::kSparse) plan.special_ids = SpecialTokens();
    if (output == Output::kMultiVector) plan.left_out_ids = LeftOutTokens(options);
  }
  AKIN_TRY_ASSIGN(ReadTexts read, reader().Read(texts, options, computer_.pool()));
  return std::make_unique<EmbedCall>(computer_, std::move(read), std::move(plan));
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
  if (!settings_.add_special_tokens) return special;  // Those that a text spells count.
  for (const std::string_view name :
       {"<s>", "</s>", "<pad>", "<unk>", "[CLS]", "[SEP]", "[PAD]", "[UNK]"}) {
    const auto id = tokenizer_->TokenToId(name);
    if (!id) continue;
    special.resize(std::max(special.size(), static_cast<size_t>(*id) + 1));
    special[static_cast<size_t>(*id)] = true;
  }
  return special;
}

Result<Scores> Embedder::Impl::Classify(std::span<const std::string_view> texts,
                                        const ScoreOptions& options) const {
  std::vector<ScoredText> scored;
  for (const std::string_view text : texts) scored.push_back({text, std::nullopt});
  return Run([&] { return ReadScored(scored, options); });
}

Result<Scores> Embedder::Impl::ScorePairs(std::span<const TextPair> pairs,
                                          const ScoreOptions& options) const {
  std::vector<ScoredText> scored;
  for (const TextPair& pair : pairs) scored.push_back({pair.first, pair.second});
  return Run([&] { return ReadScored(scored, options); });
}

Result<Scores> Embedder::Impl::Rerank(std::string_view query,
                                      std::span<const std::string_view> documents,
                                      const ScoreOptions& options) const {
  return Run([&] { return ReadRerank(query, documents, options); });
}

Result<std::unique_ptr<ScoreCall>> Embedder::Impl::ReadScored(std::span<const ScoredText> texts,
                                                              const ScoreOptions& options) const {
  AKIN_TRY(CheckGives(Output::kScores));
  AKIN_TRY_ASSIGN(ReadTexts read, reader().ReadScored(texts, options, computer_.pool()));
  const ScoreActivation activation =
      options.activation == ScoreActivation::kModel ? score_activation_ : options.activation;
  return std::unique_ptr<ScoreCall>(std::make_unique<engine::LogitsCall>(
      computer_, std::move(read), activation, options.return_ids));
}

Result<std::unique_ptr<ScoreCall>> Embedder::Impl::ReadRerank(
    std::string_view query, std::span<const std::string_view> documents,
    const ScoreOptions& options) const {
  if (!info_.Gives(Output::kScores) && info_.Gives(Output::kMultiVector)) {
    AKIN_TRY_ASSIGN(const Impl* const of_query, RouteOf({.prompt_name = "query"}));
    AKIN_TRY_ASSIGN(const Impl* const of_documents, RouteOf({.prompt_name = "document"}));
    return of_documents->ReadMaxSim(query, documents, options, *of_query);
  }
  AKIN_TRY(CheckGives(Output::kScores));
  if (info_.labels.size() != 1) {
    return InvalidInput("model '", info_.model, "' is a classifier of ", info_.labels.size(),
                        " labels; a reranker has one");
  }
  std::vector<ScoredText> pairs;
  for (const std::string_view document : documents) pairs.push_back({query, document});
  return ReadScored(pairs, options);
}

Result<std::unique_ptr<ScoreCall>> Embedder::Impl::ReadMaxSim(
    std::string_view query, std::span<const std::string_view> documents,
    const ScoreOptions& options, const Impl& of_query_route) const {
  EmbedOptions embed{.max_tokens = options.max_tokens,
                     .overflow = options.overflow,
                     .truncation_side = options.truncation_side};
  AKIN_TRY_ASSIGN(engine::MaxSimCall::Side of_documents, ReadSide(documents, embed));
  if (settings_.late) embed.prompt_name = "query";
  embed.max_tokens.reset();
  AKIN_TRY_ASSIGN(const engine::MaxSimCall::Side of_query,
                  of_query_route.ReadSide(std::array{query}, embed));
  const auto width = [](const engine::MaxSimCall::Side& side) {
    return side.computer.network().chain(Output::kMultiVector)->output().width;
  };
  if (width(of_query) != width(of_documents)) {
    return InvalidModel("model '", info_.model, "': vectors of queries have ", width(of_query),
                        " values, those of documents ", width(of_documents),
                        "; they cannot be compared");
  }
  return std::unique_ptr<ScoreCall>(
      std::make_unique<engine::MaxSimCall>(std::move(of_documents), of_query, options.return_ids));
}

Result<engine::MaxSimCall::Side> Embedder::Impl::ReadSide(std::span<const std::string_view> texts,
                                                          const EmbedOptions& options) const {
  AKIN_TRY(CheckOutputs(std::array{Output::kMultiVector}, options));
  AKIN_TRY_ASSIGN(const engine::VectorShape shape, TokenShape(Output::kMultiVector, options));
  AKIN_TRY_ASSIGN(ReadTexts read, reader().Read(texts, options, computer_.pool()));
  return engine::MaxSimCall::Side{.computer = computer_,
                                  .read = std::move(read),
                                  .shape = shape,
                                  .left_out = LeftOutTokens(options),
                                  .skip_first_vector = skip_first_vector_};
}

Status Embedder::Impl::Health() const {
  for (const auto& route : routes_) AKIN_TRY(route->Health());
  AKIN_TRY(computer_.network().Health());
  const std::array<std::string_view, 1> texts{"health"};
  const auto zeros = [&] {
    return Internal("model '", info_.model, "' gives a vector of zeros for a test text");
  };
  if (info_.Gives(Output::kScores)) {
    const auto scores = Classify(texts, {});
    return scores ? Status() : OfTestText(scores.error());
  }
  const std::array outputs{info_.outputs.front()};
  const Result<AllEmbeddings> all = Run([&] { return ReadHere(texts, outputs, {}); });
  if (!all) return OfTestText(all.error());
  if (outputs[0] != Output::kDense) return {};
  if (std::ranges::all_of(all->dense[0], [](float x) { return x == 0.0f; })) return zeros();
  return {};
}

}  // namespace akin

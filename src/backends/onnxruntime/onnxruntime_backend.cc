// ONNX Runtime behind the interface of a backend.
//
// A ragged batch is cut into rectangles, each a run: as many sequences as the graph takes, or one
// where a text's vector must not depend on its company. Runs need no lock. A team of threads is
// ONNX Runtime's own: of ours, the member of rank 0 makes the call. Because a session's threads are
// fixed when it is made, there are two of them: one whose runs take one thread each, of which the
// engine has several under way at once, and one whose runs take all threads, for few texts. They
// share their weights.
#include "backends/onnxruntime/onnxruntime_backend.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "backends/onnxruntime/first_rows.h"
#include "backends/onnxruntime/first_rows_check.h"
#include "backends/onnxruntime/graph_writer.h"
#include "backends/onnxruntime/library.h"
#include "backends/onnxruntime/linear_layers.h"
#include "backends/onnxruntime/ort_session.h"
#include "backends/onnxruntime/providers.h"
#include "backends/onnxruntime/rectangle.h"
#include "backends/onnxruntime/run_watch.h"
#include "backends/onnxruntime/shape_rules.h"
#include "backends/onnxruntime/signature.h"
#include "base/door.h"
#include "base/floating_point.h"
#include "base/huge_pages.h"
#include "base/strings.h"
#include "kernels/kernels.h"
#include "model/onnx_file.h"

namespace akin::backends {
namespace {

using onnxruntime::GraphTraits;
using onnxruntime::Library;
using onnxruntime::LinearPlan;
using onnxruntime::LinearWeights;
using onnxruntime::OrtSessionOwner;
using onnxruntime::OwnOperators;
using onnxruntime::Rectangle;
using onnxruntime::RunParams;
using onnxruntime::RunWatch;
using onnxruntime::Shape;
using onnxruntime::ShapeRules;
using onnxruntime::SharedWeights;
using onnxruntime::Signature;

// Tokens of the sequence that is run when a model is loaded.
constexpr int64_t kWarmUpLength = 16;

class OnnxRuntimeSession : public Session {
 public:
  std::unique_ptr<Rectangle> alone;     // On the session of one thread a run,
  std::unique_ptr<Rectangle> together;  // on the other one.
  std::optional<Error> error;           // Why there are none.
  std::vector<float> rows;
};

class OnnxRuntimeBackend : public Backend {
 public:
  static Result<std::unique_ptr<Backend>> Load(const model::ModelDirectory& directory,
                                               const OnnxRuntimeParams& params) {
    std::unique_ptr<OnnxRuntimeBackend> backend(new OnnxRuntimeBackend(params));
    AKIN_TRY(backend->OpenFile(directory));
    // The first session of a process turns it on in the thread that makes it, and leaves it on.
    const ScopedFlushDenormals restores_this_thread;
    const NewMemory memory;
    AKIN_TRY(backend->Start());
    if (backend->LeftToCpu()) AKIN_TRY(backend->StartOnCpu());
    // A short text is bound by reading the packed weights.
    memory.UseHugePages();
    return std::unique_ptr<Backend>(std::move(backend));
  }

  BackendInfo Info() const override { return info_; }

  std::unique_ptr<Session> NewSession(size_t, size_t) const override {
    auto session = std::make_unique<OnnxRuntimeSession>();
    const auto make = [&](const std::optional<OrtSessionOwner>& owner,
                          std::unique_ptr<Rectangle>& rectangle) {
      if (!owner) return;
      Result<std::unique_ptr<Rectangle>> made = Rectangle::Create(*owner, run_);
      if (made) {
        rectangle = std::move(*made);
      } else {
        session->error = made.error();
      }
    };
    make(alone_, session->alone);
    make(together_, session->together);
    return session;
  }

  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember& member,
                                          Session& session) const override {
    if (member.rank != 0) return MatrixView<const float>();
    return AtTheDoor("cannot run the graph", file_->name(), [&] {
      return Run(batch, member.size > 1, static_cast<OnnxRuntimeSession&>(session));
    });
  }

 private:
  explicit OnnxRuntimeBackend(const OnnxRuntimeParams& params) : params_(params) {}

  bool per_token() const { return HasRowsOfTokens(signature_.rows); }

  Result<MatrixView<const float>> Run(const RaggedBatch& batch, bool for_a_team,
                                      OnnxRuntimeSession& own) const {
    if (own.error) return *own.error;
    const bool on_all_threads = own.alone == nullptr || (for_a_team && own.together != nullptr);
    Rectangle& rectangle = on_all_threads ? *own.together : *own.alone;

    const size_t width = static_cast<size_t>(info_.width);
    const size_t num_rows = per_token() ? batch.num_tokens() : batch.num_sequences();
    if (own.rows.size() < num_rows * width) own.rows.resize(num_rows * width);
    std::span<float> rows(own.rows.data(), num_rows * width);
    for (size_t first = 0; first < batch.num_sequences();) {
      const size_t last = rules_.EndOfRun(batch, first);
      AKIN_TRY_ASSIGN(const Shape shape, rules_.ShapeOf(batch, first, last));
      const size_t count = per_token()
                               ? batch.begin(last - 1) + batch.length(last - 1) - batch.begin(first)
                               : last - first;
      AKIN_TRY(rectangle.Run(batch, first, last, shape, rows.first(count * width)));
      rows = rows.subspan(count * width);
      first = last;
    }
    return MatrixView<const float>(own.rows.data(), num_rows, width);
  }

  Status OpenFile(const model::ModelDirectory& directory) {
    AKIN_TRY_ASSIGN(const std::string name,
                    ChooseOnnxFile(directory, params_.options, params_.precision, notes_));
    AKIN_TRY_ASSIGN(model::OnnxFile file, model::OnnxFile::Open(directory, name));
    file_.emplace(std::move(file));
    AKIN_TRY(onnxruntime::CheckOperators(*file_));
    AKIN_TRY_ASSIGN(signature_, onnxruntime::ReadSignature(*file_, params_.options.output,
                                                           params_.prefers_logits));
    traits_ = onnxruntime::ReadTraits(*file_, signature_);
    NotePrecision();
    AKIN_TRY_ASSIGN(library_, Library::Load(params_.options.library));
    for (const auto& [plugin, path] : params_.options.provider_libraries)
      AKIN_TRY(library_->RegisterPlugin(plugin, path));
    // What cannot be had leaves the graph to the CPU as if nobody had asked for it.
    asked_for_others_ = !only_cpu();
    AKIN_TRY_ASSIGN(params_.options.providers,
                    onnxruntime::ProvidersToHave(*library_, params_.options.providers, notes_));
    return {};
  }

  // The names of the files are not all: what is in them counts.
  void NotePrecision() {
    const std::string_view asked = PrecisionName(params_.precision);
    if (asked == traits_.precision) {
      notes_.clear();  // There is no file of that name, but this one is what was asked for.
    } else if (params_.precision == Precision::kF32) {
      notes_.push_back(StrCat("not used: precision f32: ", file_->name(), " is ", traits_.precision,
                              ", and runs as it is"));
    }
  }

  // What is wrong with the graph as it is in the file is to be said of that one; one attention that
  // is not as it seemed does not cost the linear layers.
  Status Start() {
    const std::vector<std::string> notes = notes_;
    Status started = StartRewritten(Rewriting::kAll);
    if (!started && !attention_plan_.nodes.empty()) {
      Clear();
      notes_.push_back(
          StrCat("not used: attention by Akin's kernels: ", started.error().message()));
      started = StartRewritten(Rewriting::kWithoutAttention);
    }
    if (started || (!first_rows_ && !linear_plan_)) return started;
    Clear();
    notes_ = notes;
    notes_.push_back(StrCat("not used: the graph as Akin rewrites it, but as it is in the file: ",
                            started.error().message()));
    return MakeSessionsAndWarmUp();
  }

  enum class Rewriting { kAll, kWithoutAttention };

  Status StartRewritten(Rewriting rewriting) {
    // Shapes that are fixed, or compiled by a provider, are left alone.
    if (params_.wants_only_first_rows && per_token() && !signature_.length && only_cpu())
      first_rows_ = onnxruntime::PlanFirstRows(*file_, signature_.output);
    AKIN_TRY(TakeLinearLayers());
    if (linear_plan_ && rewriting == Rewriting::kAll) {
      attention_plan_ = onnxruntime::PlanAttention(
          *file_, signature_.output, first_rows_ ? &*first_rows_ : nullptr, *linear_plan_);
    }
    return MakeSessionsAndWarmUp();
  }

  void Clear() {
    alone_.reset();
    together_.reset();
    weights_.reset();
    first_rows_.reset();
    own_operators_.clear();
    attention_plan_ = {};
    linear_weights_.reset();
    linear_plan_.reset();
    info_ = {};
  }

  // Whether none of the providers took the graph, which is found out only when a session is made.
  bool LeftToCpu() const { return !only_cpu() && together_->providers().size() == 1; }

  Status StartOnCpu() {
    Clear();
    params_.options.providers.clear();
    return Start();
  }

  // What our own kernels compute of the graph. The scalar ones would be slower than ONNX Runtime's.
  Status TakeLinearLayers() {
    if (!only_cpu() || params_.options.optimization != GraphOptimization::kAll) return {};
    AKIN_TRY_ASSIGN(const kernels::IsaChoice isa, kernels::ChooseIsa(params_.isa));
    if (isa.isa == Isa::kScalar) return {};
    LinearPlan plan = onnxruntime::PlanLinearLayers(*file_, signature_.output,
                                                    first_rows_ ? &*first_rows_ : nullptr,
                                                    params_.least_linear_bytes);
    if (plan.layers.empty()) return {};
    AKIN_TRY_ASSIGN(const kernels::Kernels kernels,
                    kernels::SelectKernels(isa.isa, Precision::kF32));
    linear_weights_ = std::make_unique<LinearWeights>(*file_, plan, kernels);
    linear_plan_ = std::move(plan);
    return {};
  }

  Status MakeSessionsAndWarmUp() {
    AKIN_TRY(MakeSessions());
    return WarmUp();
  }

  bool only_cpu() const {
    return std::ranges::all_of(params_.options.providers, [](const auto& provider) {
      return provider.name == "CPUExecutionProvider";
    });
  }

  Status MakeSessions() {
    const OnnxRuntimeOptions& options = params_.options;
    const bool only_cpu = this->only_cpu();
    profile_ = options.count_nodes || asked_for_others_;
    rules_ = {.batch = signature_.batch,
              .length = signature_.length,
              .buckets = options.shape_buckets,
              .one_sequence = options.batch_invariant.value_or(traits_.quantizes_by_batch),
              .graph = file_->name()};
    // Others than the CPU may compile each shape: there shall be few of them.
    rules_.rows_by_powers_of_two =
        !only_cpu && !options.shape_buckets.empty() && !signature_.batch && !rules_.one_sequence;
    library_->TakeWarnings();
    // Other providers have threads, queues and memory of their own: one session for all.
    const bool two = only_cpu && params_.num_threads > 1 && !rules_.one_sequence;
    const onnxruntime::GraphChanges changes = {
        .first_rows = first_rows_ ? &*first_rows_ : nullptr,
        .linear_layers = linear_plan_ ? &*linear_plan_ : nullptr,
        .attention = attention_plan_.nodes.empty() ? nullptr : &attention_plan_};
    const bool is_changed = first_rows_ || linear_plan_;
    if (two || is_changed) {
      const auto initializers = onnxruntime::InitializersOf(*file_, changes);
      AKIN_TRY_ASSIGN(weights_, SharedWeights::Create(*library_, *file_, initializers));
    }
    std::string rewritten;
    if (is_changed) rewritten = onnxruntime::WriteGraph(*file_, signature_.output, changes);
    const auto make = [&](int num_threads, bool profile) -> Result<OrtSessionOwner> {
      const OwnOperators* operators = nullptr;
      if (linear_weights_ != nullptr) {
        AKIN_TRY_ASSIGN(auto made, OwnOperators::Create(*library_, *linear_weights_, num_threads));
        operators = own_operators_.emplace_back(std::move(made)).get();
      }
      return OrtSessionOwner::Create(*library_, *file_, options,
                                     {.num_threads = num_threads,
                                      .profile = profile,
                                      .rewritten = std::as_bytes(std::span(rewritten)),
                                      .operators = operators},
                                     weights_.get(), notes_);
    };
    if (two || only_cpu) {
      AKIN_TRY_ASSIGN(alone_, make(1, profile_));
    }
    if (two || !only_cpu) {
      AKIN_TRY_ASSIGN(together_, make(params_.num_threads, profile_ && !alone_));
    }
    info_.divides_batches = together_ && alone_;
    watch_.emplace(*library_, std::chrono::milliseconds(std::max(options.run_timeout_ms, 0)));
    run_ = {.library = library_,
            .signature = &signature_,
            .watch = &*watch_,
            .pad_token_id = params_.pad_token_id,
            .takes_num_rows = first_rows_.has_value()};
    return {};
  }

  // Runs the graph: how wide its rows are is seen, not read, and what is made at a first run is
  // made now.
  Status WarmUp() {
    AKIN_TRY_ASSIGN(auto rectangle, Rectangle::Create(alone_ ? *alone_ : *together_, run_));
    const Shape shape = rules_.OfOne(kWarmUpLength);
    const Result<std::vector<int64_t>> dims = rectangle->Probe(shape);
    if (!dims) return MakeError(dims.error().code(), file_->name(), ": ", dims.error().message());
    AKIN_TRY(ReadWidth(shape, *dims));
    if (profile_) {
      AKIN_TRY_ASSIGN(const auto counts, (alone_ ? *alone_ : *together_).EndProfiling());
      for (const auto& [provider, nodes] : counts)
        info_.execution_providers.push_back({provider, nodes});
    }
    AKIN_TRY(DescribeSelf());
    if (first_rows_) {
      AKIN_TRY(onnxruntime::CheckFirstRows(*rectangle, rules_, traits_.vocab_size.value_or(1),
                                           static_cast<size_t>(info_.width)));
    }
    AKIN_TRY(WarmUpBuckets(*rectangle));
    if (together_ && alone_) {
      AKIN_TRY_ASSIGN(auto other, Rectangle::Create(*together_, run_));
      AKIN_TRY(other->Probe(shape));
    }
    return {};
  }

  // Every shape that there can be.
  Status WarmUpBuckets(Rectangle& rectangle) {
    for (const int32_t bucket : params_.options.shape_buckets) {
      Shape shape{signature_.batch.value_or(1), std::min<int64_t>(bucket, info_.max_positions)};
      do {
        AKIN_TRY(rectangle.Probe(shape));
        shape.batch *= 2;
      } while (rules_.rows_by_powers_of_two && shape.batch * shape.length <= params_.batch_tokens);
    }
    return {};
  }

  Status ReadWidth(Shape shape, const std::vector<int64_t>& dims) {
    const bool fits = per_token()
                          ? dims.size() == 3 && dims[0] == shape.batch && dims[1] == shape.length
                          : dims.size() == 2 && dims[0] == shape.batch;
    if (!fits || dims.back() < 1) {
      std::string found;
      for (const int64_t dim : dims) found += StrCat(found.empty() ? "" : ", ", dim);
      return UnsupportedModel(file_->name(), ": output '", signature_.output, "' is [", found,
                              "] for inputs [", shape.batch, ", ", shape.length, "], expected ",
                              per_token() ? "a row for each token" : "a row for each sequence");
    }
    run_.width = dims.back();
    return {};
  }

  Status DescribeSelf() {
    const OrtSessionOwner& session = alone_ ? *alone_ : *together_;
    info_.name = "onnxruntime";
    info_.precision = traits_.precision;
    for (const std::string& provider : session.providers())
      info_.isa += StrCat(info_.isa.empty() ? "" : "+", ShortExecutionProviderName(provider));
    info_.rows = signature_.rows;
    info_.width = static_cast<int>(run_.width);
    info_.num_parameters = traits_.num_parameters;
    info_.vocab_size = static_cast<int>(traits_.vocab_size.value_or(0));
    info_.batch_invariant = rules_.one_sequence;
    info_.flops_per_token = 2.0 * static_cast<double>(traits_.num_parameters);
    info_.detail = StrCat(file_->name(), " in ONNX Runtime ", library_->version(), " (",
                          library_->path(), ")");
    if (linear_plan_) {
      info_.detail += StrCat(", ", linear_plan_->layers.size(), " linear layers",
                             attention_plan_.nodes.empty() ? "" : " and the attention",
                             " by Akin (", IsaName(linear_weights_->kernels().isa), ")");
    }
    info_.notes = notes_;
    for (std::string& warning : library_->TakeWarnings()) info_.notes.push_back(std::move(warning));
    info_.rectangles = RectangleInfo{.length_buckets = params_.options.shape_buckets,
                                     .one_sequence = rules_.one_sequence,
                                     .rows_by_powers_of_two = rules_.rows_by_powers_of_two};
    return ReadLimit();
  }

  // The longest sequence: fixed by the graph, or as the model's files or its table of positions
  // say.
  Status ReadLimit() {
    int64_t limit = params_.max_positions;
    if (limit == 0) limit = traits_.num_positions.value_or(0);
    if (signature_.length)
      limit = limit == 0 ? *signature_.length : std::min(limit, *signature_.length);
    if (!params_.options.shape_buckets.empty()) {
      const int64_t longest = params_.options.shape_buckets.back();
      limit = limit == 0 ? longest : std::min(limit, longest);
    }
    if (limit < 1) {
      return UnsupportedModel(file_->name(),
                              ": how long a sequence may be is said neither by the "
                              "graph nor by config.json (\"max_position_embeddings\")");
    }
    info_.max_positions = static_cast<int>(std::min<int64_t>(limit, INT32_MAX));
    return {};
  }

  OnnxRuntimeParams params_;       // Of the providers those that can be had.
  bool asked_for_others_ = false;  // Than the CPU.
  const Library* library_ = nullptr;
  std::optional<model::OnnxFile> file_;
  Signature signature_;
  GraphTraits traits_;
  ShapeRules rules_;
  bool profile_ = false;
  std::optional<onnxruntime::FirstRowsPlan> first_rows_;  // The sessions' graph is of this plan.
  std::vector<std::string> notes_;
  BackendInfo info_;
  mutable std::optional<RunWatch> watch_;
  std::optional<LinearPlan> linear_plan_;  // Likewise.
  onnxruntime::AttentionPlan attention_plan_;
  // These outlive the sessions.
  std::unique_ptr<SharedWeights> weights_;
  std::unique_ptr<LinearWeights> linear_weights_;
  std::vector<std::unique_ptr<OwnOperators>> own_operators_;  // One for each session.
  std::optional<OrtSessionOwner> alone_, together_;
  RunParams run_;
};

}  // namespace

Result<std::unique_ptr<Backend>> LoadOnnxRuntimeBackend(const model::ModelDirectory& directory,
                                                        const OnnxRuntimeParams& params) {
  return OnnxRuntimeBackend::Load(directory, params);
}

}  // namespace akin::backends

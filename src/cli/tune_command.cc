// `akin tune`: which token budget, which number of threads and, of a backend that pads, which
// lengths to pad to are fastest for a model here.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "akin/system.h"
#include "akin/tokenizer.h"

#include "cli/bench_measure.h"
#include "cli/bench_texts.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/input_arguments.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/process_clock.h"
#include "cli/progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/tune_choice.h"
#include "cli/tune_store.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostTexts = 100'000;
constexpr int kBudgets[] = {128, 256, 512, 1024, 2048};
// Sets of lengths to pad to, as the first one and the factor between two of them.
constexpr std::pair<int, int> kBucketSteps[] = {{16, 2}, {32, 4}};
// Candidates that have weights of their own are in memory together only up to this much.
constexpr double kMostWeightBytes = 4e9;
constexpr int kNameWidth = 36;

struct TuneArguments {
  ModelArguments model;
  FileArguments file;
  int runs = 5;
  bool dry_run = false, reset = false, json = false;
};

// Short sentences and passages in about equal numbers of tokens, as real work has both.
Result<std::vector<std::string>> BuiltInMix(const Embedder& embedder) {
  constexpr int kRepeats = 4;
  const ModelInfo& info = embedder.Info();
  std::vector<std::string> texts;
  for (int i = 0; i < kRepeats; ++i)
    texts.insert(texts.end(), BuiltInTexts().begin(), BuiltInTexts().end());
  AKIN_TRY_ASSIGN(const Tokenizer tokenizer, Tokenizer::Load(info.path));
  for (const int tokens : {64, 128, 256}) {
    AKIN_TRY_ASSIGN(const auto some, TextsOfLength(tokenizer, std::min(tokens, info.max_tokens),
                                                   static_cast<size_t>(768 / tokens)));
    texts.insert(texts.end(), some.begin(), some.end());
  }
  return texts;
}

Result<std::vector<std::string>> TextsFor(const TuneArguments& arguments,
                                          const Embedder& embedder) {
  AKIN_TRY_ASSIGN(std::vector<std::string> texts, arguments.file.ReadAll(kMostTexts));
  if (texts.empty()) return BuiltInMix(embedder);
  return texts;
}

std::string NameOf(const Candidate& c) {
  return Described(
      {.threads = c.threads, .batch_tokens = c.batch_tokens, .shape_buckets = c.shape_buckets});
}

Result<Embedder> LoadCandidate(const TuneArguments& arguments, const Candidate& candidate) {
  ModelArguments model = arguments.model;
  model.threads = candidate.threads;
  model.batch_tokens = candidate.batch_tokens;
  model.onnxruntime.shape_buckets = candidate.shape_buckets;
  return LoadUntuned(model);
}

// Whether so many may be loaded at once: the native engine's share their weights, others have two
// copies each, one for each way to use the threads.
bool FitTogether(const ModelInfo& info, size_t count) {
  constexpr double kBytesPerParameter = 2 * 4;
  return info.backend == "native" || static_cast<double>(info.num_parameters) * kBytesPerParameter *
                                             static_cast<double>(count) <=
                                         kMostWeightBytes;
}

// Every candidate once a round, so that a slow second of the machine hits all of them.
Status Measure(const TuneArguments& arguments, std::span<const std::string> texts,
               StatusLine& status, std::vector<Candidate>& candidates) {
  std::vector<std::optional<Embedder>> embedders(candidates.size());
  for (int round = 0; round < arguments.runs; ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      status.Show(StrCat("round ", round + 1, " of ", arguments.runs, ": ", NameOf(candidates[i])));
      if (!embedders[i]) {
        AKIN_TRY_ASSIGN(embedders[i], LoadCandidate(arguments, candidates[i]));
      }
      const auto start = Clock::now();
      AKIN_TRY(embedders[i]->Embed(texts));
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      candidates[i].texts_per_second.push_back(static_cast<double>(texts.size()) / seconds);
      if (!FitTogether(embedders[i]->Info(), candidates.size())) embedders[i].reset();
    }
  }
  return {};
}

std::vector<Candidate> BudgetsFor(const ModelInfo& usual, bool given) {
  std::vector<Candidate> out = {{usual.num_threads, usual.batch_tokens, usual.shape_buckets, {}}};
  for (const int budget : kBudgets) {
    if (given || budget == usual.batch_tokens) continue;
    out.push_back(Fresh(out.front()));
    out.back().batch_tokens = budget;
  }
  return out;
}

std::vector<Candidate> ThreadsFor(const Candidate& best, bool given) {
  std::vector<Candidate> out = {Fresh(best)};
  for (int threads = 1; !given && threads < best.threads; threads *= 2) {
    out.push_back(Fresh(best));
    out.back().threads = threads;
  }
  return out;
}

// Only of the backend that pads. The last length is the model's own limit: buckets are one.
std::vector<Candidate> BucketsFor(const Candidate& best, const ModelInfo& usual) {
  std::vector<Candidate> out = {Fresh(best)};
  if (usual.backend != BackendKindName(BackendKind::kOnnxRuntime) || !best.shape_buckets.empty())
    return out;
  for (const auto& [first, factor] : kBucketSteps) {
    out.push_back(Fresh(best));
    std::vector<int>& buckets = out.back().shape_buckets;
    for (int length = first; length < usual.max_positions; length *= factor)
      buckets.push_back(length);
    buckets.push_back(usual.max_positions);
  }
  return out;
}

// Lists of lengths go beyond the column, and stay whole.
std::string Padded(std::string name) {
  return name.size() < size_t{kNameWidth} ? PadToWidth(name, kNameWidth) : std::move(name) + "  ";
}

std::string TableOf(const std::vector<Candidate>& candidates) {
  std::string out;
  for (const Candidate& c : candidates) {
    const Spread rate = SpreadOf(c.texts_per_second);
    out += StrCat("  ", Padded(NameOf(c)), Grouped(std::llround(rate.median)), " texts/s  [",
                  Grouped(std::llround(rate.least)), "..", Grouped(std::llround(rate.most)), "]\n");
  }
  return out;
}

std::string TuningJson(const Tuning& tuning, const std::string& file, bool stored) {
  return JsonObject()
             .Add("threads", tuning.threads)
             .Add("batch_tokens", tuning.batch_tokens)
             .AddRaw("shape_buckets", JsonIntegers(tuning.shape_buckets))
             .Add("texts_per_second", tuning.texts_per_second)
             .Add("default_texts_per_second", tuning.default_texts_per_second)
             .Add("file", file)
             .Add("stored", stored)
             .str() +
         '\n';
}

// What was measured, step by step: budgets with all threads, threads with the best budget, lengths
// to pad to with the best of both; then the default and the best of all.
struct TuneResult {
  Tuning tuning;
  std::string table;
};

Result<TuneResult> FindBest(const TuneArguments& arguments) {
  AKIN_TRY_ASSIGN(const Embedder usual, LoadUntuned(arguments.model));
  if (!arguments.dry_run) AKIN_TRY(CheckCanStore(arguments.model));
  AKIN_TRY_ASSIGN(const std::vector<std::string> texts, TextsFor(arguments, usual));
  StatusLine status(arguments.model.quiet);
  TuneResult result;
  Candidate best;
  const auto measure = [&](std::vector<Candidate> candidates) -> Status {
    const bool first_step = result.table.empty();
    if (candidates.size() > 1 || first_step) {
      AKIN_TRY(Measure(arguments, texts, status, candidates));
      result.table += TableOf({candidates.begin() + (first_step ? 0 : 1), candidates.end()});
      best = Best(candidates);
    }
    return {};
  };
  AKIN_TRY(measure(BudgetsFor(usual.Info(), arguments.model.batch_tokens > 0)));
  AKIN_TRY(measure(ThreadsFor(best, arguments.model.threads > 0)));
  AKIN_TRY(measure(BucketsFor(best, usual.Info())));
  // A step may meet a faster or slower machine than the one before, and the best of many is partly
  // the luckiest: what is said, and kept, is what the default and the best come to side by side.
  std::vector<Candidate> last = {Fresh(BudgetsFor(usual.Info(), true).front())};
  if (!HaveSameSettings(best, last.front())) {
    last.push_back(Fresh(best));
    AKIN_TRY(Measure(arguments, texts, status, last));
    result.table += StrCat("the default and the best in turn:\n", TableOf(last));
  } else {
    last.front() = best;
  }
  result.tuning = TuningOf(last);
  result.tuning.date = UtcNow();
  return result;
}

VerbResult Reset(const TuneArguments& arguments) {
  AKIN_TRY_ASSIGN(const std::string path, TuningFile(arguments.model));
  std::error_code error;
  const bool removed = !path.empty() && std::filesystem::remove(path, error);
  if (error) return MakeError(kWriteFailed, path, ": cannot be removed: ", error.message());
  AKIN_TRY(WriteToStdout(removed ? StrCat("removed ", path, '\n') : "nothing was stored\n"));
  return kSuccess;
}

VerbResult Tune(const TuneArguments& arguments) {
  AKIN_TRY(arguments.model.ToLoadOptions());
  if (arguments.reset) return Reset(arguments);
  AKIN_TRY_ASSIGN(const TuneResult found, FindBest(arguments));
  AKIN_TRY_ASSIGN(const std::string file, TuningFile(arguments.model));
  if (!arguments.dry_run) AKIN_TRY(StoreTuning(arguments.model, found.tuning));
  if (arguments.json) {
    AKIN_TRY(WriteToStdout(TuningJson(found.tuning, file, !arguments.dry_run)));
    return kSuccess;
  }
  AKIN_TRY(WriteToStdout(
      StrCat(found.table, BestLine(found.tuning),
             arguments.dry_run ? "not stored (--dry-run)\n" : StrCat("stored in ", file, '\n'))));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin tune\n"
    "  akin tune --input texts.jsonl --precision f32\n"
    "  akin tune --reset\n";

}  // namespace

void AddTuneCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "tune", "Find and store the fastest settings for a model here", kExamples);
  auto arguments = std::make_shared<TuneArguments>();
  arguments->file.AddTo(verb, "some of our own");
  arguments->model.AddTo(verb);
  verb.add_option("--runs", arguments->runs, "Rounds over all candidates")
      ->type_name("N")
      ->check(Between(1, 1000));
  verb.add_flag("--dry-run", arguments->dry_run, "Measure and say, but store nothing");
  verb.add_flag("--reset", arguments->reset, "Forget what was stored for this model");
  verb.add_flag("--json", arguments->json, "Print one object");
  AddQuietOption(verb, arguments->model.quiet);
  verbs[&verb] = [arguments] { return Tune(*arguments); };
}

}  // namespace akin::cli

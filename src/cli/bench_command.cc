// `akin bench`: how fast this model is on this machine, after a check that its vectors are right.
#include "cli/bench_command.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "akin/system.h"

#include "cli/bench_compare.h"
#include "cli/bench_html.h"
#include "cli/bench_measure.h"
#include "cli/bench_profile.h"
#include "cli/bench_report.h"
#include "cli/bench_retrieval.h"
#include "cli/bench_texts.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/input_arguments.h"
#include "cli/model_access.h"
#include "cli/output_file.h"
#include "cli/process_clock.h"
#include "cli/progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostTexts = 1'000'000;
// Nearest neighbours are looked for by comparing all pairs.
constexpr size_t kMostQualityTexts = 1'000;
// A built-in set of 32 texts is repeated until a run has some thousand tokens.
constexpr int kBuiltInRepeats = 8;
constexpr std::string_view kBuiltIn = "built-in sentences";
const BenchPlan kFullPlan{.rounds = 7, .calls = 2000, .seconds_per_length = 2};

struct BenchArguments {
  ModelArguments model;
  TextArguments text;
  VectorArguments vector;
  FileArguments file;
  int queries = 0, warmup = 20, runs = 0;  // 0: the plan's own.
  bool full = false, peer = false, quality_only = false;
  std::vector<std::string> precisions;
  std::vector<int> thread_counts;
  std::optional<std::string> json;
  std::string html, compare, retrieval;
  double fail_below = 0;
};

BenchPlan PlanOf(const BenchArguments& arguments) {
  BenchPlan plan = arguments.full ? kFullPlan : BenchPlan{};
  if (arguments.queries > 0) plan.calls = arguments.queries;
  if (arguments.runs > 0) plan.rounds = arguments.runs;
  plan.warmup = arguments.warmup;
  return plan;
}

// --- The texts -----------------------------------------------------------------------------------

struct Corpus {
  std::string name;
  std::vector<std::string> texts;
  std::vector<std::string> quality_texts;  // All different.
};

// The sentences, and each together with the one behind it: near neighbours to tell apart.
std::vector<std::string> BuiltInQualityTexts() {
  std::vector<std::string> texts;
  const auto sentences = BuiltInTexts();
  for (size_t i = 0; i < sentences.size(); ++i) {
    const std::string_view next = sentences[(i + 1) % sentences.size()];
    texts.emplace_back(sentences[i]);
    texts.push_back(StrCat(sentences[i], ' ', next));
    texts.push_back(StrCat(sentences[i].substr(0, sentences[i].rfind(' ')), ' ', next));
  }
  return texts;
}

std::vector<std::string> Different(std::span<const std::string> texts) {
  std::set<std::string_view> seen;
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    if (out.size() == kMostQualityTexts) break;
    if (seen.insert(text).second) out.push_back(text);
  }
  return out;
}

Result<std::optional<RetrievalTask>> ReadTask(const BenchArguments& arguments) {
  std::optional<RetrievalTask> task;
  if (!arguments.retrieval.empty()) {
    AKIN_TRY_ASSIGN(task, ReadRetrievalTask(arguments.retrieval));
  }
  return task;
}

Result<Corpus> ReadCorpus(const BenchArguments& arguments) {
  Corpus corpus;
  AKIN_TRY_ASSIGN(corpus.texts, arguments.file.ReadAll(kMostTexts));
  if (corpus.texts.empty()) {
    corpus.name = kBuiltIn;
    for (int i = 0; i < kBuiltInRepeats; ++i) {
      corpus.texts.insert(corpus.texts.end(), BuiltInTexts().begin(), BuiltInTexts().end());
    }
    corpus.quality_texts = BuiltInQualityTexts();
    return corpus;
  }
  corpus.name = arguments.file.input;
  corpus.quality_texts = Different(corpus.texts);
  return corpus;
}

// --- The settings --------------------------------------------------------------------------------

std::vector<std::string> PrecisionsOf(const BenchArguments& arguments) {
  if (!arguments.precisions.empty()) return arguments.precisions;
  if (!arguments.full || arguments.model.precision != "auto") return {arguments.model.precision};
  std::vector<std::string> names = PrecisionNames();
  std::erase(names, "auto");
  return names;
}

// 1, 2, 4, ... and all of them for --full; 0 is the model's own choice.
std::vector<int> ThreadCountsOf(const BenchArguments& arguments) {
  if (!arguments.thread_counts.empty()) return arguments.thread_counts;
  if (!arguments.full || arguments.model.threads > 0) return {arguments.model.threads};
  const int most = DescribeSystem().threads.count;
  std::vector<int> counts;
  for (int n = 1; n < most; n *= 2) counts.push_back(n);
  counts.push_back(most);
  return counts;
}

bool RunsAlready(const ModelInfo& info, std::span<const Embedder> embedders) {
  return std::ranges::any_of(embedders, [&info](const Embedder& e) {
    return e.Info().precision == info.precision && e.Info().num_threads == info.num_threads;
  });
}

// Every precision with every number of threads. What was not asked for by name and cannot run here
// is left out and said.
Result<std::vector<Embedder>> LoadSettings(const BenchArguments& arguments, BenchReport& report) {
  std::vector<Embedder> embedders;
  for (const std::string& precision : PrecisionsOf(arguments)) {
    for (const int threads : ThreadCountsOf(arguments)) {
      ModelArguments model = arguments.model;
      model.precision = precision;
      model.threads = threads;
      model.quiet = model.quiet || !embedders.empty();  // Notes once; f32 may stand beside.
      auto embedder = LoadEmbedder(model, arguments.vector.says_normalize());
      if (embedder && RunsAlready(embedder->Info(), embedders)) {
        report.left_out.push_back(StrCat(precision, ": runs as ", embedder->Info().precision,
                                         " here, which is measured already"));
        break;
      }
      if (embedder) {
        embedders.push_back(*std::move(embedder));
      } else if (embedders.empty() || !arguments.precisions.empty()) {
        return Unexpected(std::move(embedder).error());
      } else {
        report.left_out.push_back(StrCat(precision, ": ", embedder.error().message()));
        break;
      }
    }
  }
  return embedders;
}

// The vectors that all others are measured against.
Result<Embeddings> ReferenceVectors(const BenchArguments& arguments,
                                    std::span<const Embedder> embedders,
                                    std::span<const std::string> texts,
                                    const EmbedOptions& options) {
  for (const Embedder& embedder : embedders) {
    if (embedder.Info().precision == PrecisionName(Precision::kF32))
      return embedder.Embed(texts, options);
  }
  ModelArguments model = arguments.model;
  model.precision = PrecisionName(Precision::kF32);
  AKIN_TRY_ASSIGN(const Embedder embedder, LoadEmbedder(model, /*normalize_is_said=*/true));
  return embedder.Embed(texts, options);
}

Status MeasureQuality(const BenchArguments& arguments, std::span<const Embedder> embedders,
                      std::span<const std::string> texts, const EmbedOptions& options,
                      BenchReport& report) {
  const auto is_f32 = [](const SettingReport& s) {
    return s.precision == PrecisionName(Precision::kF32);
  };
  if (std::ranges::all_of(report.settings, is_f32)) return {};
  AKIN_TRY_ASSIGN(const Embeddings f32, ReferenceVectors(arguments, embedders, texts, options));
  for (size_t s = 0; s < embedders.size(); ++s) {
    if (is_f32(report.settings[s])) continue;
    AKIN_TRY_ASSIGN(const Embeddings vectors, embedders[s].Embed(texts, options));
    AKIN_TRY_ASSIGN(report.settings[s].quality, CompareVectors(f32, vectors));
  }
  return {};
}

// Once for every precision: threads do not change a vector.
Status MeasureRetrievals(const RetrievalTask& task, std::span<const Embedder> embedders,
                         const EmbedOptions& options, const Say& say, BenchReport& report) {
  std::set<std::string> done;
  for (size_t s = 0; s < embedders.size(); ++s) {
    SettingReport& setting = report.settings[s];
    if (!done.insert(setting.precision).second) continue;
    say(StrCat("retrieval: ", setting.Name()));
    AKIN_TRY_ASSIGN(setting.retrieval, MeasureRetrieval(embedders[s], task, options));
  }
  return {};
}

// --- The report ----------------------------------------------------------------------------------

Status WriteFile(const std::string& path, std::string_view text) {
  AKIN_TRY_ASSIGN(OutputFile file, OutputFile::Create(path));
  AKIN_TRY(file.Write(text));
  return file.Commit();
}

bool IsStdout(const std::string& path) { return path.empty() || path == "-"; }

Status WriteReport(const BenchArguments& arguments, const BenchReport& report) {
  if (!arguments.html.empty()) AKIN_TRY(WriteFile(arguments.html, ReportHtml(report)));
  if (arguments.json) {
    if (IsStdout(*arguments.json)) return WriteToStdout(ReportJson(report));
    AKIN_TRY(WriteFile(*arguments.json, ReportJson(report)));
  }
  return arguments.html == "-" ? Status() : WriteToStdout(ReportText(report));
}

// Whether some figure is slower than --fail-below allows, by more than the noise; says which.
bool TooSlow(const BenchArguments& arguments, const BenchReport& report) {
  bool slow = false;
  for (const BenchChange& change : report.changes) {
    if (!change.beyond_noise || change.speedup >= arguments.fail_below) continue;
    SayOnStderr(StrCat(change.what, " runs at ", Fixed(change.speedup, 2), " x of ",
                       report.compared_with, ", allowed are ", Fixed(arguments.fail_below, 2)));
    slow = true;
  }
  return slow;
}

// That no report replaces the texts.
Status CheckInputIsKept(const BenchArguments& arguments) {
  if (arguments.file.input.empty()) return {};  // Standard input is not read.
  const FileInUse input{"--input", arguments.file.input, STDIN_FILENO};
  if (!arguments.html.empty())
    AKIN_TRY(CheckDistinct(input, {"--html", arguments.html, STDOUT_FILENO}));
  if (!arguments.json) return {};
  return CheckDistinct(input, {"--json", *arguments.json, STDOUT_FILENO});
}

// What would fail after all the measuring; before the model is loaded, which is measured too.
Status CheckArguments(const BenchArguments& arguments) {
  if (arguments.fail_below > 0 && arguments.compare.empty()) {
    return InvalidInput("--fail-below needs a report to compare with: --compare FILE");
  }
  if (arguments.quality_only && !arguments.compare.empty()) {
    return InvalidInput("--quality-only measures no times, which --compare needs");
  }
  if (!arguments.compare.empty()) AKIN_TRY(CheckOldReport(arguments.compare));
  AKIN_TRY(CheckInputIsKept(arguments));
  if (!arguments.html.empty()) AKIN_TRY(OutputFile::Check(arguments.html));
  return arguments.json ? OutputFile::Check(*arguments.json) : Status();
}

VerbResult Bench(const BenchArguments& arguments) {
  if (!arguments.peer) AKIN_TRY(CheckArguments(arguments));
  const auto start = Clock::now();
  const auto since_start = [start] {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  if (arguments.peer) {
    AKIN_TRY_ASSIGN(const Embedder embedder,
                    LoadEmbedder(arguments.model, /*normalize_is_said=*/true));
    AKIN_TRY(ServePeer(embedder, since_start() / 1e3));
    return kSuccess;
  }
  AKIN_TRY_ASSIGN(EmbedOptions options, arguments.text.ToEmbedOptions());
  arguments.vector.Set(options);
  BenchReport report{.machine = DescribeMachine(), .date = UtcNow()};
  StatusLine status(arguments.model.quiet);
  const auto say = [&status](std::string_view text) { status.Show(text); };
  AKIN_TRY_ASSIGN(const std::vector<Embedder> embedders, LoadSettings(arguments, report));
  AKIN_TRY(embedders.front().Embed({BuiltInTexts().front()}, options));
  if (embedders.size() == 1) report.cold_ms = MillisecondsSinceProcessStart();
  report.first_vector_ms = since_start();
  report.model = embedders.front().Info();
  AKIN_TRY_ASSIGN(const Corpus corpus, ReadCorpus(arguments));
  report.corpus = corpus.name;
  AKIN_TRY_ASSIGN(const std::optional<RetrievalTask> task, ReadTask(arguments));
  for (const Embedder& embedder : embedders) {
    AKIN_TRY(CheckVectors(embedder, corpus.texts, options, report));
  }
  AddSettings(embedders, report);
  if (!arguments.quality_only) {
    AKIN_TRY(MeasureSettings(embedders, corpus.texts, options, PlanOf(arguments), say, report));
    AKIN_TRY(MeasureBreakdowns(embedders, corpus.texts, options, say, report));
  }
  AKIN_TRY(MeasureQuality(arguments, embedders, corpus.quality_texts, options, report));
  if (task) AKIN_TRY(MeasureRetrievals(*task, embedders, options, say, report));
  report.peak_memory_bytes = PeakMemoryBytes();
  if (!arguments.compare.empty()) AKIN_TRY(CompareWithReport(arguments.compare, report));
  status.Erase();
  AKIN_TRY(WriteReport(arguments, report));
  return TooSlow(arguments, report) ? kSlower : kSuccess;
}

constexpr char kExamples[] =
    "  akin bench\n"
    "  akin bench --input texts.jsonl --threads 1 --json\n"
    "  akin bench --full --json new.json --html new.html\n"
    "  akin bench --precisions f32,bf16 --retrieval scifact --quality-only\n"
    "  akin bench --compare old.json --fail-below 0.9\n";

void AddMeasureOptions(CLI::App& verb, BenchArguments& arguments) {
  const CLI::Validator counts = Between(1, 1'000'000);
  verb.add_flag("--full", arguments.full,
                "Every precision and several numbers of threads, for minutes instead of seconds");
  verb.add_option("--precisions", arguments.precisions, "Precisions to measure side by side")
      ->type_name("A,B")
      ->delimiter(',')
      ->check(CLI::IsMember(PrecisionNames()).description(""));
  verb.add_option("--thread-counts", arguments.thread_counts, "Numbers of threads, side by side")
      ->type_name("N,M")
      ->delimiter(',')
      ->check(Between(1, 1024));
  verb.add_option(
          "--retrieval", arguments.retrieval,
          "A retrieval task (corpus.jsonl, queries.jsonl, qrels.tsv) to score the vectors on")
      ->type_name("FOLDER");
  verb.add_flag("--quality-only", arguments.quality_only, "Measure no times");
  verb.add_option("--queries", arguments.queries,
                  StrCat("Calls with one text, for each length (default: ", BenchPlan{}.calls,
                         "; with --full ", kFullPlan.calls, ")"))
      ->type_name("N")
      ->check(counts);
  verb.add_option("--warmup", arguments.warmup, "Calls before them")
      ->type_name("N")
      ->check(Between(0, 1'000'000));
  verb.add_option("--runs", arguments.runs,
                  StrCat("Rounds over everything (default: ", BenchPlan{}.rounds, "; with --full ",
                         kFullPlan.rounds, ")"))
      ->type_name("N")
      ->check(counts);
}

void AddReportOptions(CLI::App& verb, BenchArguments& arguments) {
  verb.add_option_function<std::string>(
          "--json", [&arguments](const std::string& path) { arguments.json = path; },
          "Write one object; without a file, to standard output")
      ->type_name("[FILE]")
      ->expected(0, 1);
  verb.add_option("--html", arguments.html, "Write a page with plots")->type_name("FILE");
  verb.add_option("--compare", arguments.compare, "A report of --json to set this run beside")
      ->type_name("FILE");
  verb.add_option("--fail-below", arguments.fail_below,
                  "Exit with 1 if a figure's speed falls below this share of the other report's "
                  "(default: none does)")
      ->type_name("RATIO")
      ->check(Between(0.001, 100.0));
  AddQuietOption(verb, arguments.model.quiet);
}

}  // namespace

void AddBenchCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "bench", "Measure the speed of a model here", kExamples);
  auto arguments = std::make_shared<BenchArguments>();
  arguments->file.AddTo(verb, "some English sentences");
  arguments->model.AddTo(verb);
  arguments->text.AddTo(verb, /*windows=*/false, /*prompts=*/false);
  arguments->vector.AddTo(verb);
  AddMeasureOptions(verb, *arguments);
  AddReportOptions(verb, *arguments);
  verb.add_flag("--peer", arguments->peer,
                "Serve the benchmark harness: JSON lines on standard input and output");
  verbs[&verb] = [arguments] { return Bench(*arguments); };
}

}  // namespace akin::cli

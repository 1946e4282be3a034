// `akin bench`: how fast this model is on this machine, after a check that its vectors are right.
#include "cli/bench_command.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "akin/system.h"

#include "cli/bench_texts.h"
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/process_clock.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/utf8.h"
#include "cli/version.h"

namespace akin::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostTexts = 1'000'000;
constexpr size_t kCheckedTexts = 32;
constexpr double kUnitTolerance = 1e-5;
// A built-in set of 32 texts is repeated until a run has some thousand tokens.
constexpr int kBuiltInRepeats = 8;

struct BenchArguments {
  ModelArguments model;
  TextArguments text;
  std::string input;
  std::string field = "text";
  int queries = 200;
  int warmup = 20;
  int runs = 3;
  bool json = false;
  bool peer = false;
};

struct BenchReport {
  double first_vector_ms = 0;     // Load and one text.
  std::optional<double> cold_ms;  // The same from the start of the process.
  double p50_ms = 0, p95_ms = 0, p99_ms = 0;
  double texts_per_second = 0;  // The median run.
  double tokens_per_second = 0;
  int64_t texts = 0, tokens = 0, truncated = 0;
  double worst_length_error = 0;
  size_t checked_texts = 0;
};

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Result<std::vector<std::string>> ReadTexts(const BenchArguments& arguments) {
  std::vector<std::string> texts;
  if (arguments.input.empty()) {
    for (int i = 0; i < kBuiltInRepeats; ++i) {
      texts.insert(texts.end(), BuiltInTexts().begin(), BuiltInTexts().end());
    }
    return texts;
  }
  SourceOptions options;
  options.input = arguments.input;
  options.field = arguments.field;
  const bool plain = arguments.input.ends_with(".txt");
  options.format = plain ? LineFormat::kPlain : LineFormat::kJson;
  AKIN_TRY_ASSIGN(auto source, OpenTextSource(options, nullptr));
  AKIN_TRY_ASSIGN(TextChunk all, ReadAllTexts(*source, kMostTexts));
  if (all.texts.empty()) return InvalidInput(arguments.input, ": holds no text");
  return std::move(all.texts);
}

Error Wrong(std::string_view what) {
  return MakeError(ErrorCode::kInternal, "the check before timing failed: ", what);
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// What is timed is right: finite, of length 1 where that is promised, the same alone as in a batch.
Status CheckVectors(const Embedder& embedder, std::span<const std::string> texts,
                    const EmbedOptions& options, BenchReport& report) {
  const auto checked = texts.first(std::min(texts.size(), kCheckedTexts));
  AKIN_TRY_ASSIGN(const Embeddings together, embedder.Embed(checked, options));
  const bool unit = options.normalize.value_or(embedder.Info().normalize);
  for (size_t i = 0; i < checked.size(); ++i) {
    double squares = 0;
    for (float x : together[i]) squares += static_cast<double>(x) * x;
    if (!std::isfinite(squares)) return Wrong("a value is not finite");
    const double error = std::abs(std::sqrt(squares) - 1);
    if (unit && error > kUnitTolerance) return Wrong("a vector does not have length 1");
    if (unit) report.worst_length_error = std::max(report.worst_length_error, error);
    AKIN_TRY_ASSIGN(const Embeddings alone, embedder.Embed(checked.subspan(i, 1), options));
    if (embedder.Info().batch_invariant && !SameBits(alone[0], together[i])) {
      return Wrong("a text has other bits alone than in a batch");
    }
  }
  report.checked_texts = checked.size();
  return {};
}

Status MeasureQueries(const Embedder& embedder, const BenchArguments& arguments,
                      std::span<const std::string> texts, const EmbedOptions& options,
                      BenchReport& report) {
  std::vector<double> ms;
  for (int i = -arguments.warmup; i < arguments.queries; ++i) {
    const size_t at = static_cast<size_t>(i + arguments.warmup) % texts.size();
    const auto start = Clock::now();
    AKIN_TRY(embedder.Embed(texts.subspan(at, 1), options));
    if (i >= 0) ms.push_back(MillisecondsSince(start));
  }
  report.p50_ms = Quantile(ms, 0.50);
  report.p95_ms = Quantile(ms, 0.95);
  report.p99_ms = Quantile(ms, 0.99);
  return {};
}

Status MeasureThroughput(const Embedder& embedder, const BenchArguments& arguments,
                         std::span<const std::string> texts, const EmbedOptions& options,
                         BenchReport& report) {
  std::vector<double> seconds;
  for (int run = 0; run < arguments.runs; ++run) {
    const auto start = Clock::now();
    AKIN_TRY_ASSIGN(const Embeddings embeddings, embedder.Embed(texts, options));
    seconds.push_back(MillisecondsSince(start) / 1e3);
    report.tokens = embeddings.usage().total_tokens;
    report.truncated = embeddings.usage().truncated_texts;
  }
  const double median = Quantile(seconds, 0.5);
  report.texts = static_cast<int64_t>(texts.size());
  report.texts_per_second = static_cast<double>(report.texts) / median;
  report.tokens_per_second = static_cast<double>(report.tokens) / median;
  return {};
}

std::string ReportText(const BenchReport& report, const ModelInfo& info,
                       const BenchArguments& arguments) {
  const SystemInfo system = DescribeSystem();
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& value) {
    out += StrCat(PadToWidth(name, 14), value, '\n');
  };
  line("machine", StrCat(system.cpu, ", ", info.isa, ", ", Counted(info.num_threads, "thread")));
  line("program", VersionText());
  line("model", StrCat(info.model, ", ", info.backend, ", ", info.precision));
  line("checked", StrCat(Counted(static_cast<int64_t>(report.checked_texts), "text"), ": finite, ",
                         info.normalize ? "length 1, " : "",
                         info.batch_invariant ? "same bits alone and in a batch" : "right"));
  line("load", StrCat(Fixed(info.load_ms, 1), " ms; first vector after ",
                      Fixed(report.first_vector_ms, 1), " ms",
                      report.cold_ms ? StrCat(", ", Fixed(*report.cold_ms, 0),
                                              " ms from process start (to 10 ms)")
                                     : ""));
  line("one query",
       StrCat("P50 ", Fixed(report.p50_ms, 3), " ms  P95 ", Fixed(report.p95_ms, 3), " ms  P99 ",
              Fixed(report.p99_ms, 3), " ms  (", Counted(arguments.queries, "call"), ')'));
  line("many texts", StrCat(Grouped(std::llround(report.texts_per_second)), " texts/s  ",
                            Grouped(std::llround(report.tokens_per_second)), " tokens/s  (",
                            Counted(report.texts, "text"), ", ", Counted(report.tokens, "token"),
                            ", median of ", Counted(arguments.runs, "run"), ')'));
  if (report.truncated > 0) line("cut", Counted(report.truncated, "text"));
  line("memory", StrCat(Grouped(PeakMemoryBytes() >> 20), " MiB at most"));
  return out;
}

std::string ReportJson(const BenchReport& report, const ModelInfo& info) {
  const SystemInfo system = DescribeSystem();
  JsonObject out;
  out.Add("cpu", system.cpu)
      .Add("isa", info.isa)
      .Add("threads", info.num_threads)
      .Add("compiler", system.compiler)
      .Add("version", system.version)
      .Add("revision", Revision())
      .Add("model", info.model)
      .Add("backend", info.backend)
      .Add("precision", info.precision)
      .Add("checked_texts", static_cast<int64_t>(report.checked_texts))
      .Add("worst_length_error", report.worst_length_error)
      .Add("load_ms", info.load_ms)
      .Add("first_vector_ms", report.first_vector_ms);
  if (report.cold_ms) out.Add("process_start_to_first_vector_ms", *report.cold_ms);
  return out.Add("query_p50_ms", report.p50_ms)
             .Add("query_p95_ms", report.p95_ms)
             .Add("query_p99_ms", report.p99_ms)
             .Add("texts", report.texts)
             .Add("tokens", report.tokens)
             .Add("truncated_texts", report.truncated)
             .Add("texts_per_second", report.texts_per_second)
             .Add("tokens_per_second", report.tokens_per_second)
             .Add("peak_memory_bytes", PeakMemoryBytes())
             .str() +
         '\n';
}

VerbResult Bench(const BenchArguments& arguments) {
  const auto start = Clock::now();
  AKIN_TRY_ASSIGN(const Embedder embedder, LoadEmbedder(arguments.model));
  if (arguments.peer) {
    AKIN_TRY(ServePeer(embedder, MillisecondsSince(start) / 1e3));
    return kSuccess;
  }
  const EmbedOptions options = arguments.text.ToEmbedOptions();
  BenchReport report;
  AKIN_TRY(embedder.Embed({BuiltInTexts().front()}, options));
  report.first_vector_ms = MillisecondsSince(start);
  report.cold_ms = MillisecondsSinceProcessStart();
  AKIN_TRY_ASSIGN(const std::vector<std::string> texts, ReadTexts(arguments));
  AKIN_TRY(CheckVectors(embedder, texts, options, report));
  AKIN_TRY(MeasureQueries(embedder, arguments, texts, options, report));
  AKIN_TRY(MeasureThroughput(embedder, arguments, texts, options, report));
  const ModelInfo& info = embedder.Info();
  AKIN_TRY(WriteToStdout(arguments.json ? ReportJson(report, info)
                                        : ReportText(report, info, arguments)));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin bench\n"
    "  akin bench --input texts.jsonl --threads 1 --json\n"
    "  akin bench --model path/to/model --queries 1000\n";

}  // namespace

double Quantile(std::vector<double> values, double q) {
  std::ranges::sort(values);
  const auto at = static_cast<size_t>(q * static_cast<double>(values.size()));
  return values[std::min(values.size() - 1, at)];
}

void AddBenchCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "bench", "Measure the speed of a model here", kExamples);
  auto arguments = std::make_shared<BenchArguments>();
  verb.add_option("-i,--input", arguments->input,
                  "Texts: JSON lines, or plain lines in a .txt (default: some English sentences)")
      ->type_name("FILE");
  verb.add_option("--field", arguments->field, "Field of a JSON line that holds the text")
      ->type_name("NAME");
  arguments->model.AddTo(verb);
  arguments->text.AddTo(verb);
  const CLI::Validator counts = Between(1, 1'000'000);
  verb.add_option("--queries", arguments->queries, "Calls with one text that are timed")
      ->type_name("N")
      ->check(counts);
  verb.add_option("--warmup", arguments->warmup, "Calls before them")
      ->type_name("N")
      ->check(Between(0, 1'000'000));
  verb.add_option("--runs", arguments->runs, "Runs over all texts")->type_name("N")->check(counts);
  verb.add_flag("--json", arguments->json, "Print one object");
  verb.add_flag("--peer", arguments->peer,
                "Serve the benchmark harness: JSON lines on standard input and output");
  verbs[&verb] = [arguments] { return Bench(*arguments); };
}

}  // namespace akin::cli

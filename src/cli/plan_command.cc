// `akin plan`: how much memory a model will take, before it is loaded.
#include <algorithm>
#include <charconv>
#include <optional>

#include "akin/memory_plan.h"
#include "akin/system.h"

#include "cli/chunk_pipeline.h"
#include "cli/command.h"
#include "cli/embed_command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/text_table.h"
#ifdef AKIN_HAS_SERVER
#include "cli/serve_arguments.h"
#include "server/memory_budgets.h"
#endif

namespace akin::cli {
namespace {

struct PlanArguments {
  ModelArguments model;
  int max_batch_tokens = 0;
  int max_tokens = 0;
  std::string memory;
  bool json = false;
};

// What `akin embed` has on its way: texts, and what they were read from; ids and types of the
// tokens of the chunk that is computed, at worst one for each byte; vectors; a block of lines that
// is written.
constexpr int64_t kStreamBytes = static_cast<int64_t>(
    2 * kChunksUnderWay * kMostChunkBytes + 2 * sizeof(int32_t) * kMostChunkBytes +
    kAnswersUnderWay * kMostVectorBytes + (size_t{2} << 20));

struct Limit {
  int64_t bytes = 0;  // 0: none is known.
  std::string source;
};

// "512m", "1.5GiB", "800000000": powers of 1,024.
Result<int64_t> ParseBytes(const std::string& text) {
  const auto wrong = [&] {
    return InvalidInput("--memory: \"", text,
                        "\" is no size, expected as 512m, 1.5g or a number of bytes");
  };
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [unit, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || !(number > 0)) return wrong();
  std::string name(unit, end);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  constexpr std::string_view kUnits = "kmgt";
  double bytes = number;
  if (!name.empty() && name != "b") {
    const size_t power = kUnits.find(name[0]);
    const std::string_view rest = std::string_view(name).substr(1);
    if (power == kUnits.npos || !(rest.empty() || rest == "b" || rest == "ib")) return wrong();
    for (size_t i = 0; i <= power; ++i) bytes *= 1024;
  }
  if (bytes < 1 || bytes > 9e18) return wrong();
  return static_cast<int64_t>(bytes);
}

Result<Limit> LimitOf(const PlanArguments& arguments) {
  if (!arguments.memory.empty()) {
    AKIN_TRY_ASSIGN(const int64_t bytes, ParseBytes(arguments.memory));
    return Limit{bytes, "--memory"};
  }
  const int64_t bytes = DescribeSystem().memory_limit_bytes;
  return Limit{bytes, bytes > 0 ? "the limit of the cgroup or the machine" : ""};
}

struct Budget {
  std::string name, option;
  int64_t bytes = 0;
};

// What `akin serve` may hold besides, with the defaults of its options.
std::vector<Budget> ServeBudgets() {
  std::vector<Budget> budgets;
#ifdef AKIN_HAS_SERVER
  const ServeArguments defaults;
  server::ServeOptions options;
  options.scheduler.max_bytes = int64_t{defaults.queue_memory} << 20;
  options.app.answer_bytes = int64_t{defaults.answer_memory} << 20;
  options.http.max_connections = static_cast<size_t>(defaults.max_connections);
  for (const server::MemoryBudget& budget : server::MemoryBudgets(options))
    budgets.push_back({std::string(budget.name), std::string(budget.option), budget.bytes});
#endif
  return budgets;
}

int64_t SumOf(const std::vector<Budget>& budgets) {
  int64_t sum = 0;
  for (const Budget& budget : budgets) sum += budget.bytes;
  return sum;
}

int64_t PeakOf(const MemoryPlan::OfPrecision& row) { return row.peak_bytes + kStreamBytes; }
int64_t AutoPeakOf(const MemoryPlan& plan) { return plan.auto_peak_bytes + kStreamBytes; }

bool Fits(int64_t bytes, const Limit& limit) { return limit.bytes == 0 || bytes <= limit.bytes; }

// Of what may be chosen by --precision; `auto` takes one of them, and its first load more.
bool AnythingFits(const MemoryPlan& plan, const Limit& limit) {
  return std::ranges::any_of(plan.precisions,
                             [&](const auto& row) { return Fits(PeakOf(row), limit); });
}

std::string Mebibytes(int64_t bytes) { return Fixed(static_cast<double>(bytes) / (1 << 20), 1); }

std::string PrecisionText(const MemoryPlan::OfPrecision& row) {
  const std::string name(PrecisionName(row.precision));
  return row.runs_in == row.precision ? name : StrCat(name, " (", PrecisionName(row.runs_in), ")");
}

std::string SharingText(WeightSharing sharing) {
  switch (sharing) {
    case WeightSharing::kPrivate: return "private";
    case WeightSharing::kShared: return "shared";
    case WeightSharing::kSharedNext: return "next time";
  }
  return "";
}

std::string PrecisionTable(const MemoryPlan& plan, const Limit& limit) {
  std::vector<std::vector<std::string>> rows{
      {"MiB", "weights", "shared", "tables", "workspace", "a worker", "workers", "peak"}};
  if (limit.bytes > 0) rows.front().emplace_back("fits");
  for (const MemoryPlan::OfPrecision& row : plan.precisions) {
    rows.push_back({PrecisionText(row), Mebibytes(row.weight_bytes), SharingText(row.sharing),
                    Mebibytes(row.table_bytes), Mebibytes(row.workspace_bytes),
                    Mebibytes(row.worker_bytes), StrCat(plan.num_threads), Mebibytes(PeakOf(row))});
    if (limit.bytes > 0) rows.back().emplace_back(Fits(PeakOf(row), limit) ? "yes" : "no");
  }
  return TextTable(rows);
}

std::string BudgetTable(const std::vector<Budget>& budgets) {
  std::vector<std::vector<std::string>> rows{{"MiB", "at most", "option"}};
  for (const Budget& budget : budgets)
    rows.push_back(
        {budget.name, Mebibytes(budget.bytes), budget.option.empty() ? "fixed" : budget.option});
  rows.push_back({"together", Mebibytes(SumOf(budgets)), ""});
  return TextTable(rows);
}

std::string AutoText(const MemoryPlan& plan) {
  if (plan.precisions.size() == 1) return "";
  if (plan.auto_takes) {
    return StrCat("--precision auto takes ", PrecisionName(*plan.auto_takes), ": ",
                  Mebibytes(AutoPeakOf(plan)), " MiB.\n");
  }
  return StrCat("--precision auto has not been measured on this model here: its first load, which ",
                "does so, takes up to ", Mebibytes(AutoPeakOf(plan)), " MiB.\n");
}

std::string PlanText(const MemoryPlan& plan, const Limit& limit) {
  std::string out = StrCat(plan.model, " (", plan.path, ")\n");
  out += StrCat(KnownParts({plan.backend, plan.isa, Counted(plan.num_threads, "thread"),
                            StrCat("batches of ", Grouped(plan.batch_tokens), " tokens"),
                            StrCat("texts of up to ", Grouped(plan.max_tokens))}),
                "\n\n");
  out += PrecisionTable(plan, limit);
  out += StrCat(
      "\nPeak: weights, tables, workers, and of every precision ", Mebibytes(plan.program_bytes),
      " MiB of program and libraries, ", Mebibytes(plan.tokenizer_bytes), " of tokenizer (",
      plan.tokenizer_is_measured ? "measured: it was loaded" : "estimated by its file", ") and ",
      Mebibytes(kStreamBytes), " of texts and vectors under way in akin embed.\n");
  out += AutoText(plan);
  if (limit.bytes > 0) {
    out += StrCat("Memory: ", Mebibytes(limit.bytes), " MiB (", limit.source, ").\n");
    if (!AnythingFits(plan, limit)) {
      out += StrCat("Nothing fits", plan.precisions.size() == 1 ? "; another --precision may" : "",
                    ". Less is needed with fewer --threads, a smaller --max-batch-tokens, or ",
                    "shorter texts (--max-tokens).\n");
    }
  }
  if (const auto budgets = ServeBudgets(); !budgets.empty())
    out += StrCat("\nakin serve may hold besides, under load, by its options' defaults:\n",
                  BudgetTable(budgets));
  return out;
}

std::string PrecisionJson(const MemoryPlan::OfPrecision& row, const Limit& limit) {
  return JsonObject()
      .Add("precision", PrecisionName(row.precision))
      .Add("runs_in", PrecisionName(row.runs_in))
      .Add("weight_bytes", row.weight_bytes)
      .Add("weight_sharing", WeightSharingName(row.sharing))
      .Add("table_bytes", row.table_bytes)
      .Add("workspace_bytes", row.workspace_bytes)
      .Add("worker_bytes", row.worker_bytes)
      .Add("loading_bytes", row.loading_bytes)
      .Add("peak_bytes", PeakOf(row))
      .Add("fits", Fits(PeakOf(row), limit))
      .str();
}

std::string PlanJson(const MemoryPlan& plan, const Limit& limit) {
  std::vector<std::string> precisions, budgets;
  for (const auto& row : plan.precisions) precisions.push_back(PrecisionJson(row, limit));
  const std::vector<Budget> serve = ServeBudgets();
  for (const Budget& budget : serve) {
    budgets.push_back(JsonObject()
                          .Add("name", budget.name)
                          .Add("option", budget.option)
                          .Add("bytes", budget.bytes)
                          .str());
  }
  return JsonObject()
      .Add("model", plan.model)
      .Add("path", plan.path)
      .Add("architecture", plan.architecture)
      .Add("backend", plan.backend)
      .Add("isa", plan.isa)
      .Add("num_threads", plan.num_threads)
      .Add("batch_tokens", plan.batch_tokens)
      .Add("max_tokens", plan.max_tokens)
      .Add("program_bytes", plan.program_bytes)
      .Add("tokenizer_bytes", plan.tokenizer_bytes)
      .Add("tokenizer_loading_bytes", plan.tokenizer_loading_bytes)
      .Add("tokenizer_is_measured", plan.tokenizer_is_measured)
      .Add("stream_bytes", kStreamBytes)
      .AddRaw("precisions", JsonArray(precisions))
      .Add("auto_takes", plan.auto_takes ? PrecisionName(*plan.auto_takes) : "")
      .Add("auto_peak_bytes", AutoPeakOf(plan))
      .Add("memory_limit_bytes", limit.bytes)
      .Add("memory_limit_source", limit.source)
      .Add("anything_fits", AnythingFits(plan, limit))
      .AddRaw("serve", JsonArray(budgets))
      .Add("serve_bytes", SumOf(serve))
      .str();
}

// No plan of a tier that this CPU lacks: what sizes depend on is said by the tier's own functions,
// which are compiled for its instructions.
Error OfThisMachine(const Error& error) {
  if (error.field() != "isa") return error;
  return error.Reworded(
      StrCat(error.message(), "; a plan is of this machine: to plan for another, run it there"));
}

VerbResult Plan(const PlanArguments& arguments) {
  AKIN_TRY_ASSIGN(const Limit limit, LimitOf(arguments));
  ModelArguments model = arguments.model;
  if (arguments.max_batch_tokens > 0) model.batch_tokens = arguments.max_batch_tokens;
  AKIN_TRY_ASSIGN(const LoadOptions options, WithTuning(model, nullptr).ToLoadOptions());
  const Result<MemoryPlan> plan =
      PlanMemory(ModelNameOf(model), options, {.max_tokens = arguments.max_tokens});
  if (!plan) return OfThisMachine(plan.error());
  AKIN_TRY(WriteToStdout(arguments.json ? PlanJson(*plan, limit) + '\n' : PlanText(*plan, limit)));
  return AnythingFits(*plan, limit) ? kSuccess : kNothingFits;
}

constexpr char kExamples[] =
    "  akin plan\n"
    "  akin plan --model path/to/model --precision int8 --threads 4 --memory 512m\n"
    "  akin plan --max-batch-tokens 256 --max-tokens 256 --json\n";

}  // namespace

void AddPlanCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(
      app, "plan", "Say how much memory a model will take on this machine, without loading it",
      kExamples);
  auto arguments = std::make_shared<PlanArguments>();
  arguments->model.AddTo(verb);
  verb.get_option("--isa")->description(
      "Instruction set, one that this machine's CPU has; auto is AKIN_ISA, else its fastest");
  verb.add_option("--max-batch-tokens", arguments->max_batch_tokens,
                  "The same as --batch-tokens, by the name that akin serve has for it")
      ->type_name("N")
      ->check(Between(1, 1 << 20));
  verb.add_option("--max-tokens", arguments->max_tokens,
                  "No text is longer than N tokens (default: the model's limit)")
      ->type_name("N")
      ->check(Between(1, 1 << 20));
  verb.add_option("--memory", arguments->memory,
                  "What there is, as 512m or 2g; exit status 1 if nothing fits (default: the limit "
                  "of the cgroup or the machine)")
      ->type_name("SIZE")
      ->check(NotEmpty());
  verb.add_flag("--json", arguments->json, "Print one object");
  verbs[&verb] = [arguments] { return Plan(*arguments); };
}

}  // namespace akin::cli

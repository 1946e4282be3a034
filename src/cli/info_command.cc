// `akin info`: what is loaded and how it runs.
#include <functional>

#include "akin/onnxruntime.h"

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

struct InfoArguments {
  ModelArguments model;
  bool json = false;
  bool verbose = false;
};

std::string ProvidersJson(const ModelInfo& info) {
  std::vector<std::string> providers;
  for (const ModelInfo::ProviderNodes& use : info.execution_providers)
    providers.push_back(JsonObject().Add("name", use.name).Add("num_nodes", use.num_nodes).str());
  return JsonArray(providers);
}

std::vector<std::string> OutputNames(const ModelInfo& info) {
  std::vector<std::string> names;
  for (const Output output : info.outputs) names.emplace_back(OutputName(output));
  return names;
}

std::vector<std::string> PromptNames(const ModelInfo& info) {
  std::vector<std::string> names;
  for (const NamedPrompt& prompt : info.prompts) names.push_back(prompt.name);
  return names;
}

std::string Listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += StrCat(list.empty() ? "" : ", ", name);
  return list;
}

// The field names are those of the library, also for other languages' providers.
std::string InfoJson(const ModelInfo& info, bool tuned) {
  return JsonObject()
      .Add("model", info.model)
      .Add("path", info.path)
      .Add("architecture", info.architecture)
      .Add("kind", ModelKindName(info.kind))
      .AddRaw("outputs", JsonStrings(OutputNames(info)))
      .Add("dimension", info.dimension)
      .Add("token_dimension", info.token_dimension)
      .Add("max_tokens", info.max_tokens)
      .Add("max_positions", info.max_positions)
      .Add("num_layers", info.num_layers)
      .Add("hidden_size", info.hidden_size)
      .Add("num_heads", info.num_heads)
      .Add("vocab_size", info.vocab_size)
      .Add("num_parameters", info.num_parameters)
      .Add("pooling", info.pooling)
      .Add("normalize", info.normalize)
      .AddRaw("prompts", JsonStrings(PromptNames(info)))
      .Add("default_prompt_name", info.default_prompt_name)
      .AddRaw("labels", JsonStrings(info.labels))
      .Add("backend", info.backend)
      .Add("precision", info.precision)
      .Add("precision_reason", info.precision_reason)
      .Add("isa", info.isa)
      .Add("num_threads", info.num_threads)
      .Add("batch_tokens", info.batch_tokens)
      .AddRaw("shape_buckets", JsonIntegers(info.shape_buckets))
      .Add("tuned", tuned)
      .Add("batch_invariant", info.batch_invariant)
      .Add("backend_detail", info.backend_detail)
      .AddRaw("execution_providers", ProvidersJson(info))
      .AddRaw("notes", JsonStrings(info.notes))
      .Add("load_ms", info.load_ms)
      .str();
}

// What runs the model where it is not Akin itself; a fall-back is never left unsaid.
void AddBackendLines(const ModelInfo& info, bool verbose,
                     const std::function<void(std::string_view, const std::string&)>& line) {
  if (!info.backend_detail.empty()) line("runs", info.backend_detail);
  for (const ModelInfo::ProviderNodes& use : info.execution_providers) {
    line("provider", StrCat(ShortExecutionProviderName(use.name), " ran ",
                            Counted(use.num_nodes, "node"), " of the graph"));
  }
  for (const std::string& note : info.notes) {
    if (verbose || IsSaidUnasked(note) || note.starts_with("backend")) line("note", note);
  }
}

// A model that runs elsewhere may say nothing of it.
std::string ArchitectureText(const ModelInfo& info) {
  const auto known = [](int64_t number, const std::string& text) {
    return number > 0 ? text : std::string();
  };
  std::string layers = known(info.num_layers, StrCat(info.num_layers, " layers"));
  if (!layers.empty()) {
    layers += known(info.hidden_size, StrCat(" of ", info.hidden_size)) +
              known(info.num_heads, StrCat(" with ", info.num_heads, " heads"));
  }
  return KnownParts(
      {info.architecture, layers,
       known(info.num_parameters, StrCat(Grouped(info.num_parameters), " parameters"))});
}

std::string InfoText(const ModelInfo& info, const std::optional<Tuning>& tuning, bool verbose) {
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& value) {
    out += StrCat(PadToWidth(name, 14), value, '\n');
  };
  line("model", info.model);
  line("folder", info.path);
  if (const std::string known = ArchitectureText(info); !known.empty()) line("architecture", known);
  line("gives", StrCat(Listed(OutputNames(info)), " (", ModelKindName(info.kind), " model)"));
  if (info.dimension > 0) {
    line("vector", StrCat(info.dimension, " values, ", info.pooling.empty() ? "no" : info.pooling,
                          " pooling, ", info.normalize ? "length 1" : "not normalized"));
  }
  if (!info.labels.empty()) line("labels", Listed(info.labels));
  if (!info.prompts.empty()) line("prompts", Listed(PromptNames(info)));
  line(
      "tokens",
      StrCat("texts are cut to ", info.max_tokens, "; --max-tokens goes up to ", info.max_positions,
             info.vocab_size > 0 ? StrCat("; vocabulary of ", Grouped(info.vocab_size)) : ""));
  line("runs on",
       KnownParts({info.backend, info.precision, info.isa, Counted(info.num_threads, "thread"),
                   info.batch_tokens > 0
                       ? StrCat("batches of ", Grouped(info.batch_tokens), " tokens")
                       : ""}));
  AddBackendLines(info, verbose, line);
  if (!info.precision.empty()) {
    const std::string& reason = info.precision_reason;
    line("precision", StrCat(info.precision, reason.empty() ? "" : StrCat(" (", reason, ")")));
  }
  if (tuning) line("tuned", StrCat(Described(*tuning), ", found by akin tune on ", tuning->date));
  line("same bits", info.batch_invariant ? "alone and in any batch" : "not promised over batches");
  line("loaded in", StrCat(Fixed(info.load_ms, 1), " ms"));
  return out;
}

VerbResult Info(const InfoArguments& arguments) {
  std::optional<Tuning> tuning;
  ModelArguments model = arguments.model;
  model.onnxruntime.count_nodes = arguments.verbose;
  AKIN_TRY_ASSIGN(const Embedder embedder, LoadDescribed(model, tuning));
  const ModelInfo& info = embedder.Info();
  AKIN_TRY(WriteToStdout(arguments.json ? InfoJson(info, tuning.has_value()) + '\n'
                                        : InfoText(info, tuning, arguments.verbose)));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin info\n"
    "  akin info --model path/to/model --json\n"
    "  akin info --model path/to/model --backend onnxruntime --ep coreml --verbose\n";

}  // namespace

void AddInfoCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "info", "Describe a model and how it runs", kExamples);
  auto arguments = std::make_shared<InfoArguments>();
  arguments->model.AddTo(verb);
  verb.add_flag("--json", arguments->json, "Print one object");
  verb.add_flag("--verbose", arguments->verbose,
                "Also count what each execution provider runs, and show all notes");
  verbs[&verb] = [arguments] { return Info(*arguments); };
}

}  // namespace akin::cli

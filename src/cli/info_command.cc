// `akin info`: what is loaded and how it runs.
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
};

// The field names are those of the library, also for other languages' providers.
std::string InfoJson(const ModelInfo& info) {
  return JsonObject()
      .Add("model", info.model)
      .Add("path", info.path)
      .Add("architecture", info.architecture)
      .Add("dimension", info.dimension)
      .Add("max_tokens", info.max_tokens)
      .Add("max_positions", info.max_positions)
      .Add("num_layers", info.num_layers)
      .Add("hidden_size", info.hidden_size)
      .Add("num_heads", info.num_heads)
      .Add("vocab_size", info.vocab_size)
      .Add("num_parameters", info.num_parameters)
      .Add("pooling", info.pooling)
      .Add("normalize", info.normalize)
      .Add("backend", info.backend)
      .Add("precision", info.precision)
      .Add("precision_reason", info.precision_reason)
      .Add("isa", info.isa)
      .Add("num_threads", info.num_threads)
      .Add("batch_tokens", info.batch_tokens)
      .Add("batch_invariant", info.batch_invariant)
      .Add("load_ms", info.load_ms)
      .str();
}

std::string InfoText(const ModelInfo& info) {
  std::string out;
  const auto line = [&out](std::string_view name, const std::string& value) {
    out += StrCat(PadToWidth(name, 14), value, '\n');
  };
  line("model", info.model);
  line("folder", info.path);
  line("architecture",
       StrCat(info.architecture, ", ", info.num_layers, " layers of ", info.hidden_size, " with ",
              info.num_heads, " heads, ", Grouped(info.num_parameters), " parameters"));
  line("vector", StrCat(info.dimension, " values, ", info.pooling, " pooling, ",
                        info.normalize ? "length 1" : "not normalized"));
  line("tokens", StrCat("texts are cut to ", info.max_tokens, "; --max-tokens goes up to ",
                        info.max_positions, "; vocabulary of ", Grouped(info.vocab_size)));
  line("runs on", StrCat(info.backend, ", ", info.precision, ", ", info.isa, ", ",
                         Counted(info.num_threads, "thread"), ", batches of ",
                         Grouped(info.batch_tokens), " tokens"));
  line("precision", StrCat(info.precision, " (", info.precision_reason, ")"));
  line("same bits", info.batch_invariant ? "alone and in any batch" : "not promised over batches");
  line("loaded in", StrCat(Fixed(info.load_ms, 1), " ms"));
  return out;
}

VerbResult Info(const InfoArguments& arguments) {
  AKIN_TRY_ASSIGN(const Embedder embedder, LoadEmbedder(arguments.model));
  const ModelInfo& info = embedder.Info();
  AKIN_TRY(WriteToStdout(arguments.json ? InfoJson(info) + '\n' : InfoText(info)));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin info\n"
    "  akin info --model path/to/model --json\n";

}  // namespace

void AddInfoCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "info", "Describe a model and how it runs", kExamples);
  auto arguments = std::make_shared<InfoArguments>();
  arguments->model.AddTo(verb);
  verb.add_flag("--json", arguments->json, "Print one object");
  verbs[&verb] = [arguments] { return Info(*arguments); };
}

}  // namespace akin::cli

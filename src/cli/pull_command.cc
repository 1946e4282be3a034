// `akin pull`: a model from the hub into the cache.
#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/pull_progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

struct PullArguments {
  std::string model;
  std::vector<std::string> include;
  bool json = false, quiet = false;
};

std::string PullJson(const PullArguments& arguments, const PulledModel& pulled) {
  return JsonObject()
      .Add("model", arguments.model)
      .Add("path", pulled.path)
      .Add("commit", pulled.commit)
      .Add("files", pulled.files)
      .Add("bytes", pulled.bytes)
      .Add("received_bytes", pulled.received_bytes)
      .str();
}

VerbResult Pull(const PullArguments& arguments) {
  if (arguments.model.empty()) return InvalidInput("akin pull: which model? expected ORG/NAME");
  AKIN_TRY_ASSIGN(const PulledModel pulled,
                  PullShowingProgress(arguments.model, arguments.include, arguments.quiet));
  // The folder alone, so that it can be used: cd "$(akin pull ORG/NAME)".
  AKIN_TRY(WriteToStdout((arguments.json ? PullJson(arguments, pulled) : pulled.path) + '\n'));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin pull sentence-transformers/all-MiniLM-L6-v2\n"
    "  akin pull BAAI/bge-small-en-v1.5@main --include 'onnx/*' --include '*.json'\n"
    "  HF_TOKEN=... akin pull ORG/GATED-MODEL\n"
    "Environment:\n"
    "  HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT, "
    "AKIN_HUB_CONNECTIONS,\n"
    "  AKIN_HUB_RETRY_MS and those of proxies and certificates (docs/hub.md#where-it-is-kept).\n";

}  // namespace

void AddPullCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "pull", "Fetch a model from the hub into the cache", kExamples);
  auto arguments = std::make_shared<PullArguments>();
  verb.add_option("MODEL", arguments->model, "ORG/NAME or ORG/NAME@REVISION")->type_name("");
  verb.add_option("--include", arguments->include,
                  "Only files that fit the pattern, as 'onnx/*'; may be given several times "
                  "(default: what is needed to load the model)")
      ->type_name("PATTERN")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb.add_flag("--json", arguments->json, "Print one object");
  verb.add_flag("-q,--quiet", arguments->quiet, "No progress");
  verbs[&verb] = [arguments] { return Pull(*arguments); };
}

}  // namespace akin::cli

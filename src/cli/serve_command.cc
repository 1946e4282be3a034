// `akin serve`: options from the command line, the environment and a file, in that order, then the
// server.
#include "cli/serve_command.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/exit_status.h"
#include "cli/isolated_load.h"
#include "cli/serve_arguments.h"
#include "cli/serve_options.h"
#include "cli/small_file.h"
#include "cli/strings.h"
#include "server/config_file.h"
#include "server/serve.h"

namespace akin::cli {
namespace {

constexpr size_t kMostConfigBytes = size_t{16} << 20;

// What neither the command line nor the environment has set, nor contradicted. The options that the
// file has set: "--port".
Result<std::vector<std::string>> ApplyConfigFile(CLI::App& verb, const std::string& path) {
  std::vector<std::string> applied;
  AKIN_TRY_ASSIGN(const std::string text, ReadSmallFile(path, kMostConfigBytes));
  AKIN_TRY_ASSIGN(const auto entries, server::ParseConfigFile(text, path));
  std::set<const CLI::Option*> set_elsewhere;
  for (const CLI::Option* option : verb.get_options()) {
    if (option->count() > 0) set_elsewhere.insert(option);
  }
  for (const server::ConfigEntry& entry : entries) {
    CLI::Option* option = verb.get_option_no_throw("--" + entry.key);
    if (option == nullptr || entry.key == "config" || entry.key == "help") {
      return InvalidInput(path, ", line ", entry.line, ": there is no option ", entry.key,
                          " (akin serve --help lists them)");
    }
    if (option->count() > 0) continue;
    const auto& excluded = option->get_excludes();
    const auto other = std::ranges::find_if(excluded, [](auto* o) { return o->count() > 0; });
    if (other != excluded.end()) {
      if (set_elsewhere.contains(*other)) continue;
      return InvalidInput(path, ", line ", entry.line, ": ", entry.key, " excludes ",
                          (*other)->get_lnames().front());
    }
    try {
      for (const std::string& value : entry.values) option->add_result(value);
      option->run_callback();
      applied.push_back("--" + entry.key);
    } catch (const CLI::Error& error) {
      return InvalidInput(path, ", line ", entry.line, ": ", entry.key, ": ", error.what());
    }
  }
  return applied;
}

// Values of the file may be found wrong later: then the error names the file, too.
Error NameFile(const std::vector<std::string>& applied, const std::string& path,
               const Error& error) {
  const std::string& message = error.message();
  for (const std::string& option : applied) {
    if (message.starts_with(option + ' ') || message.starts_with(option + ':'))
      return Error(error.code(), StrCat(path, ": ", message));
  }
  return error;
}

VerbResult RunServe(CLI::App& verb, const ServeArguments& arguments) {
  std::vector<std::string> applied;
  if (!arguments.config.empty()) {
    AKIN_TRY_ASSIGN(applied, ApplyConfigFile(verb, arguments.config));
  }
  const Result<server::ServeOptions> made = ToServeOptions(arguments);
  if (!made) return NameFile(applied, arguments.config, made.error());
  const server::ServeOptions& options = *made;
  for (const server::ModelSpec& spec : options.registry.models) {
    if (arguments.onnxruntime.isolate_load) AKIN_TRY(TryLoadInChild(ArgumentsOf(arguments, spec)));
  }
  AKIN_TRY(arguments.check ? server::CheckServe(options) : server::Serve(options));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin serve\n"
    "  akin serve --model small=models/small --model large=models/large --lazy\n"
    "  AKIN_API_KEY=secret akin serve --host 0.0.0.0 --port 80 --log-format json\n"
    "  akin serve --config akin.toml --check\n"
    "Every option may also come from the environment (--max-batch-tokens is "
    "AKIN_MAX_BATCH_TOKENS) or from the file of --config; the command line wins, then the "
    "environment.\n";

}  // namespace

void AddServeCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "serve",
              "Serve models over HTTP: the APIs of OpenAI, TEI, Cohere, Ollama, AkiDB", kExamples);
  auto arguments = std::make_shared<ServeArguments>();
  arguments->AddTo(verb);
  verbs[&verb] = [arguments, &verb] { return RunServe(verb, *arguments); };
}

}  // namespace akin::cli

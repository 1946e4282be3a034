// `akin serve`: options from the command line, the environment and a file, in that order, then the
// server.
#include "cli/serve_command.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/environment.h"
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

CLI::Option* OptionOf(CLI::App& verb, const std::string& key) {
  const bool is_none = key == "config" || key == "help";
  return is_none ? nullptr : verb.get_option_no_throw("--" + key);
}

bool IsFlag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// What would do as its value, as a file has it.
std::string ValuesOf(const CLI::Option* option) {
  if (option == nullptr) return {};
  if (IsFlag(*option)) return "true or false";
  const std::string type = option->get_type_name();
  for (const char* const number : {"N", "SECONDS", "MIB", "BYTES"}) {
    if (type == number) return "a whole number";
  }
  return "a text in quotes";
}

// "--port: Value abc is not a whole number" without the option, whose key the caller names.
std::string WithoutOption(std::string_view message, const std::string& option) {
  for (const std::string& start :
       {option, std::string(":"), std::string(" "), std::string("Value ")}) {
    if (message.starts_with(start)) message.remove_prefix(start.size());
  }
  return std::string(message);
}

// A key of the file that has set its option.
struct AppliedKey {
  std::string key;
  int line = 0;
};

// What neither the command line nor the environment has set, nor contradicted.
Result<std::vector<AppliedKey>> ApplyConfigFile(CLI::App& verb, const std::string& path) {
  std::vector<AppliedKey> applied;
  AKIN_TRY_ASSIGN(const std::string text, ReadSmallFile(path, kMostConfigBytes));
  AKIN_TRY_ASSIGN(const auto entries,
                  server::ParseConfigFile(text, path, [&](const std::string& key) {
                    return ValuesOf(OptionOf(verb, key));
                  }));
  std::set<const CLI::Option*> set_elsewhere;
  for (const CLI::Option* option : verb.get_options()) {
    if (option->count() > 0) set_elsewhere.insert(option);
  }
  for (const server::ConfigEntry& entry : entries) {
    const auto wrong = [&](const auto&... words) {
      return InvalidInput(path, ", line ", entry.line, ": ", words...);
    };
    CLI::Option* option = OptionOf(verb, entry.key);
    if (option == nullptr)
      return wrong("there is no option ", entry.key, " (akin serve --help lists them)");
    if (option->count() > 0) continue;
    const auto& excluded = option->get_excludes();
    const auto other = std::ranges::find_if(excluded, [](auto* o) { return o->count() > 0; });
    if (other != excluded.end()) {
      if (set_elsewhere.contains(*other)) continue;
      return wrong(entry.key, " excludes ", (*other)->get_lnames().front());
    }
    for (const std::string& value : entry.values) {
      if (IsFlag(*option) && value != "true" && value != "false")
        return wrong(entry.key, ": ", value, " is no value of it, expected true or false");
    }
    try {
      for (const std::string& value : entry.values) option->add_result(value);
      option->run_callback();
      applied.push_back({entry.key, entry.line});
    } catch (const CLI::Error& error) {
      return wrong(entry.key, ": ", WithoutOption(error.what(), "--" + entry.key));
    }
  }
  return applied;
}

// Values of the file may be found wrong later: then the error names its line and its key, too.
Error NameKey(const std::vector<AppliedKey>& applied, const std::string& path, const Error& error) {
  const std::string& message = error.message();
  for (const AppliedKey& entry : applied) {
    const std::string option = "--" + entry.key;
    if (!message.starts_with(option + ' ') && !message.starts_with(option + ':')) continue;
    return Error(error.code(), StrCat(path, ", line ", entry.line, ": ", message.substr(2)));
  }
  return error;
}

Status Serve(const ServeArguments& arguments) {
  AKIN_TRY_ASSIGN(const server::ServeOptions options, ToServeOptions(arguments));
  for (const server::ModelSpec& spec : options.registry.models) {
    if (arguments.onnxruntime.isolate_load) AKIN_TRY(TryLoadInChild(ArgumentsOf(arguments, spec)));
  }
  return arguments.check ? server::CheckServe(options) : server::Serve(options);
}

VerbResult RunServe(CLI::App& verb, const ServeArguments& arguments) {
  std::vector<AppliedKey> applied;
  if (!arguments.config.empty()) {
    AKIN_TRY_ASSIGN(applied, ApplyConfigFile(verb, arguments.config));
  }
  const Status served = Serve(arguments);
  if (!served) return NameKey(applied, arguments.config, served.error());
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin serve\n"
    "  akin serve --model small=models/small --model large=models/large --lazy\n"
    "  AKIN_API_KEY=secret akin serve --host 0.0.0.0 --port 80 --log-format json\n"
    "  akin serve --config akin.toml --check\n"
    "Every option may also come from the environment (--max-batch-tokens is "
    "AKIN_MAX_BATCH_TOKENS) or from the file of --config; the command line wins, then the "
    "environment. Of an option without a value, the variable is true, yes, on or 1, or false, no, "
    "off or 0.\n";

}  // namespace

void AddServeCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "serve",
              "Serve models over HTTP: the APIs of OpenAI, TEI, Cohere, Ollama, AkiDB", kExamples);
  auto arguments = std::make_shared<ServeArguments>();
  arguments->AddTo(verb);
  DescribeVariables(verb);
  verbs[&verb] = [arguments, &verb] { return RunServe(verb, *arguments); };
}

}  // namespace akin::cli

#include "cli/environment.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "cli/app.h"
#include "cli/strings.h"
#include "cli/suggestion.h"

extern char** environ;

namespace akin::cli {
namespace {

constexpr std::string_view kPrefix = "AKIN_";

// Read by the library or by programs beside this one, whatever the verb.
constexpr std::string_view kReadElsewhere[] = {
    "AKIN_BRIDGE_FD",       "AKIN_BRIDGE_OPTIONS", "AKIN_CACHE",
    "AKIN_HUB_CONNECTIONS", "AKIN_HUB_RETRY_MS",   "AKIN_ISA",
    "AKIN_MODELS_DIR",      "AKIN_ORT_LIBRARY",    "AKIN_PACKED_CACHE_MIB",
    "AKIN_PIN_THREADS",     "AKIN_PYTHON",         "AKIN_REMOTE_API_KEY",
    "AKIN_THREADS"};
constexpr std::string_view kOfTests = "AKIN_TEST_";

// Of an entry of the environment, NAME=VALUE.
std::string_view NameOf(std::string_view entry) { return entry.substr(0, entry.find('=')); }

bool MayStandForOption(std::string_view name) {
  return name.starts_with(kPrefix) && !name.starts_with(kOfTests) &&
         std::ranges::find(kReadElsewhere, name) == std::end(kReadElsewhere);
}

char Upper(char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }

std::string NameOf(const CLI::Option& option) {
  std::string name(kPrefix);
  for (const char c : option.get_lnames().front()) name += c == '-' ? '_' : Upper(c);
  return name;
}

std::string ValueOfVariable(const std::string& name) {
  const char* const value = name.empty() ? nullptr : std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

bool IsFlag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// Kubernetes describes each service to every container: AKIN_SERVICE_HOST, AKIN_PORT_8080_TCP and
// the like of a service that is called akin.
bool IsOfKubernetes(std::string_view name) {
  const size_t port = name.rfind("_PORT_");
  const bool numbered = port != name.npos && port + 6 < name.size() &&
                        std::isdigit(static_cast<unsigned char>(name[port + 6])) != 0;
  return numbered || name.find("_SERVICE_HOST") != name.npos ||
         name.find("_SERVICE_PORT") != name.npos;
}

// What `reader` reads, or any verb where it is none. Without the prefix, which every name has and
// which would make all of them near.
std::vector<std::string> KnownNames(std::string_view reader) {
  std::vector<std::string> names;
  for (const std::string_view name : kReadElsewhere)
    names.emplace_back(name.substr(kPrefix.size()));
  const Application all = MakeApplication({});
  for (const CLI::App* verb : all.app->get_subcommands({})) {
    if (!reader.empty() && verb->get_name() != reader) continue;
    for (const CLI::Option* option : verb->get_options()) {
      if (const std::string name = option->get_envname(); !name.empty())
        names.push_back(name.substr(kPrefix.size()));
    }
  }
  return names;
}

}  // namespace

CLI::Option* FromEnvironment(CLI::Option* option) { return option->envname(NameOf(*option)); }

void GroupFromEnvironment(CLI::App& verb, std::string_view group) {
  for (CLI::Option* option : verb.get_options()) {
    // The library itself looks that one up, for its other users, too.
    if (option->get_group() == group && !option->check_lname("ort-library"))
      FromEnvironment(option);
  }
}

void DescribeVariables(CLI::App& verb) {
  verb.footer(StrCat(verb.get_footer(),
                     "Environment:\n"
                     "  A variable in brackets (Env:AKIN_...) stands for its option; the command "
                     "line wins. AKIN_CACHE,\n"
                     "  AKIN_MODELS_DIR, AKIN_ORT_LIBRARY, AKIN_PACKED_CACHE_MIB, "
                     "AKIN_PIN_THREADS, AKIN_THREADS, AKIN_ISA,\n"
                     "  AKIN_PYTHON, AKIN_REMOTE_API_KEY and HF_... of the hub are read, too "
                     "(docs/cli.md#environment).\n"));
}

Status PrepareVariables(CLI::App& verb, const std::vector<std::string>& arguments) {
  for (CLI::Option* option : verb.get_options()) {
    if (IsGiven(*option, arguments)) option->envname("");  // Nobody takes its value for another's.
    const std::string variable = VariableOf(*option, arguments);
    if (variable.empty()) continue;
    const auto& excluded = option->get_excludes();
    if (std::ranges::any_of(excluded, [&](auto* o) { return IsGiven(*o, arguments); })) {
      option->envname("");
      continue;
    }
    if (!IsFlag(*option) || ParseFlagWord(ValueOfVariable(variable))) continue;
    return InvalidInput(variable, " (--", option->get_lnames().front(), ") is '",
                        ValueOfVariable(variable), "', expected ", kFlagWords);
  }
  return {};
}

bool IsGiven(const CLI::Option& option, const std::vector<std::string>& arguments) {
  const auto end = std::ranges::find(arguments, "--");
  return std::any_of(arguments.begin(), end, [&](const std::string& argument) {
    const auto is_long = [&](const std::string& name) {
      return argument == "--" + name || argument.starts_with("--" + name + '=');
    };
    const auto is_short = [&](const std::string& letter) {
      return argument.starts_with('-' + letter);
    };
    return std::ranges::any_of(option.get_lnames(), is_long) ||
           std::ranges::any_of(option.get_snames(), is_short);
  });
}

std::string VariableOf(const CLI::Option& option, const std::vector<std::string>& arguments) {
  const std::string variable = option.get_envname();
  return ValueOfVariable(variable).empty() || IsGiven(option, arguments) ? "" : variable;
}

std::optional<bool> ParseFlagWord(std::string_view word) {
  std::string upper;
  for (const char c : word) upper += Upper(c);
  for (const char* yes : {"TRUE", "YES", "ON", "1"}) {
    if (upper == yes) return true;
  }
  for (const char* no : {"FALSE", "NO", "OFF", "0"}) {
    if (upper == no) return false;
  }
  return std::nullopt;
}

std::vector<char*> EnvironmentWithoutOptions(std::span<const std::string> kept) {
  std::vector<char*> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name = NameOf(*entry);
    const bool is_kept = std::ranges::find(kept, name) != kept.end();
    if (is_kept || !MayStandForOption(name)) entries.push_back(*entry);
  }
  entries.push_back(nullptr);
  return entries;
}

std::vector<UnknownVariable> UnknownVariables(std::string_view reader) {
  std::vector<std::string> given, known;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry, name = NameOf(text);
    const bool empty = text.size() <= name.size() + 1;
    if (!empty && MayStandForOption(name) && !IsOfKubernetes(name)) given.emplace_back(name);
  }
  if (!given.empty()) known = KnownNames(reader);  // Takes as long as half of the program's start.
  std::vector<UnknownVariable> unknown;
  for (const std::string& name : given) {
    const std::string own = name.substr(kPrefix.size());
    if (std::ranges::find(known, own) != known.end()) continue;
    const auto nearest = NearestName(own, known);
    unknown.push_back({name, nearest ? StrCat(kPrefix, *nearest) : ""});
  }
  std::ranges::sort(unknown, {}, &UnknownVariable::name);
  return unknown;
}

}  // namespace akin::cli

// `akin completion SHELL`: completions made of the option tree itself, so that they know exactly
// the options that there are.
#include <algorithm>

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

enum class ValueKind { kNone, kFile, kFolder, kModel, kChoice, kOther };

// Asked for when they are to be completed, since models come and go.
constexpr char kModelNames[] = " models --names 2>/dev/null";

// Names of models and folders are whatever somebody called a folder, "$(rm -r ~)" too, and
// `compgen -W` expands its words. So they are read line by line and never expanded; `-o filenames`
// has readline quote what it puts into the command line.
constexpr char kBashLists[] = R"(_akin_folders() {
  local name
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -d -- "$cur")
}
_akin_models() {
  local name
  while IFS= read -r name; do
    case "$name" in *[!A-Za-z0-9._/-]*) continue ;; esac
    [[ $name == "$cur"* ]] && COMPREPLY+=("$name")
  done < <("${COMP_WORDS[0]}" models --names 2>/dev/null)
  _akin_folders
}
)";

struct OptionFacts {
  std::vector<std::string> names;  // With their dashes.
  std::string description;
  ValueKind kind = ValueKind::kNone;
  std::vector<std::string> choices;
};

struct VerbFacts {
  std::string name;
  std::string description;
  std::vector<OptionFacts> options;
  OptionFacts rest;  // What stands without an option; texts are kOther.
};

// Of "{a,b,c:PATH}". What stands behind a colon is for people to fill in.
std::vector<std::string> SplitChoices(std::string_view type) {
  std::vector<std::string> out;
  type = type.substr(1, type.size() - 2);
  while (!type.empty()) {
    const size_t comma = std::min(type.find(','), type.size());
    const std::string_view choice = type.substr(0, comma);
    out.emplace_back(choice.substr(0, std::min(choice.find(':'), choice.size() - 1) + 1));
    type.remove_prefix(std::min(comma + 1, type.size()));
  }
  return out;
}

OptionFacts FactsOf(const CLI::Option& option) {
  OptionFacts facts;
  for (const std::string& name : option.get_lnames()) facts.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) facts.names.push_back("-" + name);
  facts.description = option.get_description();
  const std::string type = option.get_type_name();
  if (option.get_items_expected_max() == 0) return facts;
  const bool model = std::ranges::find(facts.names, "--model") != facts.names.end();
  facts.kind = model                               ? ValueKind::kModel
               : type == "FILE" || type == "PATH"  ? ValueKind::kFile
               : type == "DIR" || type == "FOLDER" ? ValueKind::kFolder
               : type.starts_with('{')             ? ValueKind::kChoice
                                                   : ValueKind::kOther;
  if (facts.kind == ValueKind::kChoice) facts.choices = SplitChoices(type);
  return facts;
}

OptionFacts FactsOfRest(const CLI::App& verb, const CLI::App& app) {
  OptionFacts facts{.kind = ValueKind::kOther};
  if (verb.get_name() == "completion") {
    facts.kind = ValueKind::kChoice;
    facts.choices = {"bash", "zsh", "fish"};
  } else if (verb.get_name() == "help") {
    facts.kind = ValueKind::kChoice;
    for (const CLI::App* topic : app.get_subcommands({}))
      facts.choices.push_back(topic->get_name());
    facts.choices.emplace_back("exit-status");
  } else if (verb.get_name() == "models" || verb.get_name() == "pull") {
    facts.kind = ValueKind::kModel;
  }
  return facts;
}

VerbFacts FactsOf(const CLI::App& verb, const CLI::App& app) {
  VerbFacts facts{verb.get_name(), verb.get_description(), {}, FactsOfRest(verb, app)};
  for (const CLI::Option* option : verb.get_options()) {
    const bool hidden = option->get_group().empty();
    if (option->nonpositional() && !hidden) facts.options.push_back(FactsOf(*option));
  }
  return facts;
}

std::string Joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) out += StrCat(out.empty() ? "" : separator, word);
  return out;
}

// `text` inside single quotes of a shell: ' becomes '\''.
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string VerbNames(const std::vector<VerbFacts>& verbs) {
  std::string out;
  for (const VerbFacts& verb : verbs) out += StrCat(out.empty() ? "" : " ", verb.name);
  return out;
}

// What completes the value of an option, in bash's words.
std::string BashValue(const OptionFacts& option) {
  switch (option.kind) {
    case ValueKind::kFile: return "compopt -o default; COMPREPLY=()";
    case ValueKind::kFolder: return "_akin_folders";
    case ValueKind::kModel: return "_akin_models";
    case ValueKind::kChoice:
      return StrCat("COMPREPLY=($(compgen -W '", Joined(option.choices, " "), "' -- \"$cur\"))");
    default: return "COMPREPLY=()";
  }
}

std::string BashVerb(const VerbFacts& verb) {
  std::string cases, names;
  for (const OptionFacts& option : verb.options) {
    names += StrCat(names.empty() ? "" : " ", Joined(option.names, " "));
    if (option.kind == ValueKind::kNone) continue;
    cases +=
        StrCat("        ", Joined(option.names, "|"), ") ", BashValue(option), "; return ;;\n");
  }
  return StrCat("    ", verb.name, ")\n",
                cases.empty() ? "" : StrCat("      case \"$prev\" in\n", cases, "      esac\n"),
                "      options='", names, "'\n", "      case \"$cur\" in -*) ;; *) ",
                BashValue(verb.rest), " ;; esac ;;\n");
}

std::string Bash(const std::vector<VerbFacts>& verbs) {
  std::string out = "# bash completion for akin; to use it now: source <(akin completion bash)\n";
  out += kBashLists;
  out +=
      "_akin() {\n"
      "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\" options=''\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n";
  out += StrCat("    COMPREPLY=($(compgen -W '", VerbNames(verbs),
                " --help --version' -- \"$cur\"))\n",
                "    return\n  fi\n  case \"${COMP_WORDS[1]}\" in\n");
  for (const VerbFacts& verb : verbs) out += BashVerb(verb);
  out +=
      "  esac\n"
      "  case \"$cur\" in -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;; esac\n"
      "}\n"
      "complete -F _akin akin\n";
  return out;
}

// zsh's _arguments: --name[description]:value:action, with brackets and colons escaped.
std::string ZshEscaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string ZshValue(const OptionFacts& option) {
  switch (option.kind) {
    case ValueKind::kNone: return "";
    case ValueKind::kFile: return ":file:_files";
    case ValueKind::kFolder: return ":folder:_files -/";
    case ValueKind::kModel: return ":model:_akin_models";
    case ValueKind::kChoice:
      return StrCat(":value:(", ZshEscaped(Joined(option.choices, " ")), ")");
    case ValueKind::kOther: return ":value:";
  }
  return "";
}

std::string Zsh(const std::vector<VerbFacts>& verbs) {
  std::string out =
      "#compdef akin\n"
      "# zsh completion for akin; to use it now: source <(akin completion zsh)\n"
      "_akin_models() {\n"
      "  compadd -- ${(f)\"$(akin models --names 2>/dev/null)\"}\n"
      "  _files -/\n"
      "}\n"
      "_akin() {\n"
      "  if (( CURRENT == 2 )); then\n"
      "    local -a verbs=(";
  for (const VerbFacts& verb : verbs) {
    out += StrCat("\n      ", Quoted(StrCat(verb.name, ":", ZshEscaped(verb.description))));
  }
  out += ")\n    _describe command verbs\n    return\n  fi\n  case ${words[2]} in\n";
  for (const VerbFacts& verb : verbs) {
    out += StrCat("    ", verb.name, ")\n      _arguments");
    for (const OptionFacts& option : verb.options) {
      for (const std::string& name : option.names) {
        out += StrCat(" \\\n        ", Quoted(StrCat(name, "[", ZshEscaped(option.description), "]",
                                                     ZshValue(option))));
      }
    }
    if (verb.rest.kind != ValueKind::kOther)
      out += StrCat(" \\\n        ", Quoted(StrCat("*:", ZshValue(verb.rest).substr(1))));
    out += " ;;\n";
  }
  return out +
         "  esac\n}\n"
         "if [ \"$funcstack[1]\" = _akin ]; then _akin \"$@\"; else compdef _akin akin; fi\n";
}

std::string FishValue(const OptionFacts& option) {
  switch (option.kind) {
    case ValueKind::kNone: return "";
    case ValueKind::kFile: return " -r -F";
    case ValueKind::kFolder: return " -x -a '(__fish_complete_directories)'";
    case ValueKind::kModel:
      return StrCat(" -x -a '(akin", kModelNames, "; __fish_complete_directories)'");
    case ValueKind::kChoice: return StrCat(" -x -a ", Quoted(Joined(option.choices, " ")));
    case ValueKind::kOther: return " -x";
  }
  return "";
}

std::string FishOption(const OptionFacts& option) {
  std::string out;
  for (const std::string& name : option.names) {
    out += name.starts_with("--") ? StrCat(" -l ", name.substr(2)) : StrCat(" -s ", name.substr(1));
  }
  return StrCat(out, FishValue(option), " -d ", Quoted(option.description));
}

std::string Fish(const std::vector<VerbFacts>& verbs) {
  std::string out =
      "# fish completion for akin; to use it now: akin completion fish | source\n"
      "complete -c akin -f\n";
  for (const VerbFacts& verb : verbs) {
    out += StrCat("complete -c akin -n __fish_use_subcommand -a ", verb.name, " -d ",
                  Quoted(verb.description), '\n');
    for (const OptionFacts& option : verb.options) {
      out += StrCat("complete -c akin -n '__fish_seen_subcommand_from ", verb.name, "'",
                    FishOption(option), '\n');
    }
    if (verb.rest.kind == ValueKind::kOther) continue;
    out += StrCat("complete -c akin -n '__fish_seen_subcommand_from ", verb.name, "'",
                  FishValue(verb.rest), '\n');
  }
  return out;
}

VerbResult Completion(const CLI::App& app, const std::string& shell) {
  std::vector<VerbFacts> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) verbs.push_back(FactsOf(*verb, app));
  std::string script;
  if (shell == "bash") {
    script = Bash(verbs);
  } else if (shell == "zsh") {
    script = Zsh(verbs);
  } else if (shell == "fish") {
    script = Fish(verbs);
  } else {
    return InvalidInput("akin completion: \"", shell, "\" is none of bash, zsh, fish");
  }
  AKIN_TRY(WriteToStdout(script));
  return kSuccess;
}

constexpr char kExamples[] =
    "  source <(akin completion bash)\n"
    "  akin completion zsh > ~/.zfunc/_akin\n"
    "  akin completion fish > ~/.config/fish/completions/akin.fish\n";

}  // namespace

void AddCompletionCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "completion", "Print completions for a shell", kExamples);
  auto shell = std::make_shared<std::string>();
  verb.add_option("SHELL", *shell, "bash, zsh or fish")->required();
  verbs[&verb] = [&app, shell] { return Completion(app, *shell); };
}

}  // namespace akin::cli

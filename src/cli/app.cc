#include "cli/app.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "cli/environment.h"
#include "cli/exit_status.h"
#ifdef AKIN_HAS_SERVER
#include "cli/serve_command.h"
#endif
#include "cli/strings.h"
#include "cli/suggestion.h"
#include "cli/terminal.h"
#include "cli/version.h"

namespace akin::cli {
namespace {

constexpr int kHelpColumn = 34;

std::string_view WithoutDashes(std::string_view name) {
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  return name;
}

std::vector<std::string> LongNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  }
  return names;
}

std::vector<std::string> VerbNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands({})) names.push_back(verb->get_name());
  return names;
}

// What other programs call our commands.
constexpr std::pair<std::string_view, std::string_view> kElsewhere[] = {
    {"encode", "embed"},    {"vectorize", "embed"}, {"score", "rerank"},
    {"tokens", "tokenize"}, {"download", "pull"},   {"fetch", "pull"},
    {"list", "models"},     {"ls", "models"},       {"benchmark", "bench"}};

std::string DidYouMean(std::string_view typed, const std::vector<std::string>& names,
                       std::string_view dashes) {
  const auto nearest = NearestName(WithoutDashes(typed), names);
  return nearest ? StrCat("; did you mean ", dashes, *nearest, '?') : "";
}

std::string DidYouMeanVerb(std::string_view typed, const CLI::App& app) {
  for (const auto& [elsewhere, here] : kElsewhere) {
    if (typed == elsewhere) return StrCat("; did you mean ", here, '?');
  }
  return DidYouMean(typed, VerbNames(app), "");
}

// The verb that was given, or the program itself.
const CLI::App& Chosen(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : *chosen.front();
}

std::string Command(const CLI::App& app, const CLI::App& chosen) {
  return &app == &chosen ? "akin" : StrCat("akin ", chosen.get_name());
}

Error UnknownOption(const CLI::App& app, const CLI::App& chosen, const std::string& argument) {
  const std::string name = argument.substr(0, argument.find('='));
  const std::vector<std::string> names = LongNames(chosen);
  if (&chosen != &app && std::ranges::find(names, WithoutDashes(name)) != names.end()) {
    return InvalidInput("akin: ", name, " stands in front of the command; its place is behind it: ",
                        Command(app, chosen), ' ', name);
  }
  std::string message = StrCat(Command(app, chosen), ": unknown option ", name);
  const std::string suggestion = DidYouMean(name, names, "--");
  if (!suggestion.empty()) return InvalidInput(message, suggestion);
  if (chosen.get_option_no_throw("TEXT") != nullptr) message += "; a text goes behind --";
  return InvalidInput(message, " (", Command(app, chosen), " --help lists the options)");
}

// CLI11 splits an argument "[a, b]" of a list into its parts, drops "++", and takes "--x" behind
// "--" for an option when a text came before. A text is taken as it is, so such arguments carry a
// mark in front through the parser, and every option takes it off again.
constexpr char kMark = '\x01';

std::string Marked(const std::string& argument, bool only_texts) {
  const bool list = argument.starts_with('[') && argument.ends_with(']');
  const bool special = list || argument == "++" || argument.starts_with(kMark);
  return only_texts || special ? kMark + argument : argument;
}

void Unmark(std::string& value) {
  if (value.starts_with(kMark)) value.erase(0, 1);
}

void UnmarkValuesOf(CLI::App& app) {
  const auto unmark = [](std::string& value) {
    Unmark(value);
    return std::string();  // No error.
  };
  for (CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() > 0) option->transform(CLI::Validator(unmark, "", ""));
  }
}

// As CLI11 takes them: the last one first, without "--".
std::vector<std::string> MarkedAndReversed(const std::vector<std::string>& arguments) {
  const auto divider = std::ranges::find(arguments, "--");
  std::vector<std::string> out;
  for (auto it = arguments.begin(); it != divider; ++it) out.push_back(Marked(*it, false));
  for (auto it = divider; it != arguments.end(); ++it) {
    if (it != divider) out.push_back(Marked(*it, true));
  }
  std::ranges::reverse(out);
  return out;
}

// What no option or verb has taken.
Status CheckRest(const CLI::App& app) {
  const CLI::App& chosen = Chosen(app);
  std::vector<std::string> rest = chosen.remaining();
  if (rest.empty()) rest = app.remaining();
  if (rest.empty()) return {};
  std::string& first = rest.front();
  Unmark(first);
  if (first.starts_with('-') && first.size() > 1) return UnknownOption(app, chosen, first);
  if (&chosen == &app) {
    return InvalidInput("akin: unknown command \"", first, '"', DidYouMeanVerb(first, app),
                        " (akin --help lists the commands)");
  }
  return InvalidInput(Command(app, chosen), ": unexpected argument \"", first, '"');
}

// CLI11 says some things over several lines.
std::string OneLine(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

constexpr char kFooter[] =
    "Examples:\n"
    "  akin embed 'A text.' 'Another one.'\n"
    "  akin embed --input texts.jsonl --output vectors.npy\n"
    "  akin similarity 'A dog barks.' 'A puppy yelps.'\n"
    "  akin doctor\n"
    "akin COMMAND --help has each command's options; akin help exit-status lists the statuses.\n";

// The value that an option has when nobody gives it, where its description does not say it. Empty,
// 0 and false stand for "not set".
void DescribeDefaults(CLI::App& verb) {
  for (CLI::Option* option : verb.get_options()) {
    const bool shown = !option->get_group().empty() && option->nonpositional();
    if (!shown || option->get_items_expected_max() == 0 || !option->get_default_str().empty())
      continue;
    option->capture_default_str();
    std::string value = option->get_default_str();
    option->default_str("");
    if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
    const std::string& description = option->get_description();
    if (value.empty() || value == "0" || value == "false" ||
        description.find("default") != description.npos)
      continue;
    option->description(StrCat(description, " (default: ", value, ")"));
  }
}

// CLI11 keeps the options that one excludes by their addresses, so that two runs of --help would
// print them in two orders.
class SameInEveryRun : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text = Formatter::make_option_opts(option);
    const std::string label = get_label("Excludes") + ':';
    const size_t at = text.find(label);
    if (at == text.npos) return text;
    std::set<std::string> names;
    for (const CLI::Option* excluded : option->get_excludes()) names.insert(excluded->get_name());
    text.erase(at + label.size());
    for (const std::string& name : names) text += ' ' + name;
    return text;
  }
};

struct Verb {
  std::string_view name;
  void (*add)(CLI::App& app, Verbs& verbs);
  bool reads_others = false;  // It tells of the other verbs.
};

// In the order of --help.
constexpr Verb kVerbs[] = {
    {"embed", AddEmbedCommand},
    {"rerank", AddRerankCommand},
    {"classify", AddClassifyCommand},
    {"sparse", AddSparseCommand},
    {"multivector", AddMultivectorCommand},
    {"similarity", AddSimilarityCommand},
    {"tokenize", AddTokenizeCommand},
#ifdef AKIN_HAS_SERVER
    {"serve", AddServeCommand},
#endif
    {"info", AddInfoCommand},
    {"pull", AddPullCommand},
    {"models", AddModelsCommand},
    {"bridge", AddBridgeCommand},
    {"doctor", AddDoctorCommand},
    {"bench", AddBenchCommand},
    {"tune", AddTuneCommand},
    {"plan", AddPlanCommand},
    {"completion", AddCompletionCommand, true},
    {"help", AddHelpCommand, true},
};

// The verb that `arguments` begin with, if the tree needs no other; else null. Making all of the
// several hundred options would be a third of the time in which the program starts.
const Verb* VerbAlone(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return nullptr;
  const auto verb = std::ranges::find(kVerbs, arguments.front(), &Verb::name);
  return verb == std::end(kVerbs) || verb->reads_others ? nullptr : verb;
}

}  // namespace

Application MakeApplication(const std::vector<std::string>& arguments) {
  Application application{std::make_unique<CLI::App>("Text in, vectors out.", "akin"), {}};
  CLI::App& app = *application.app;
  app.formatter(std::make_shared<SameInEveryRun>());
  app.get_formatter()->column_width(kHelpColumn);
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.add_flag("--version")->description("Print the version and exit");
  app.allow_extras();
  app.require_subcommand(0, 1);  // A text that is the name of a command is a text.
  app.footer(kFooter);
  const Verb* const only = VerbAlone(arguments);
  for (const Verb& verb : kVerbs) {
    if (only == nullptr || &verb == only) verb.add(app, application.verbs);
  }
  for (CLI::App* verb : app.get_subcommands({})) {
    DescribeDefaults(*verb);
    UnmarkValuesOf(*verb);
  }
  return application;
}

std::string HelpOf(const CLI::App& app, const CLI::App& verb) {
  return verb.help(&app == &verb ? "" : app.get_name(), CLI::AppFormatMode::Normal);
}

// A value may have come from the environment: then its error names the variable that the user has
// set, and the option in brackets.
std::string NameVariable(const CLI::App& verb, const std::vector<std::string>& arguments,
                         std::string message) {
  for (const CLI::Option* option : verb.get_options()) {
    const std::string variable = VariableOf(*option, arguments);
    if (variable.empty()) continue;
    const std::string name = "--" + option->get_lnames().front();
    const size_t at = message.find(name);
    const size_t end = at + name.size();
    if (at == std::string::npos) continue;
    if (end < message.size() && (message[end] == '-' || std::isalnum(message[end]) != 0)) continue;
    return message.replace(at, name.size(), StrCat(variable, " (", name, ")"));
  }
  return message;
}

// As above, of the verb's own error.
Error NameVariable(const CLI::App& verb, const std::vector<std::string>& arguments,
                   const Error& error) {
  if (error.code() == ErrorCode::kInvalidInput)
    return error.Reworded(NameVariable(verb, arguments, error.message()));
  if (error.code() != ErrorCode::kModelNotFound) return error;
  const auto variable_of = [&](const char* name) {
    const CLI::Option* const option = verb.get_option_no_throw(name);
    return option == nullptr ? std::string() : VariableOf(*option, arguments);
  };
  // Which files are missing is a matter of the backend, too.
  const std::string model = variable_of("--model"), backend = variable_of("--backend");
  std::string notes = model.empty() ? "" : StrCat("its name is from ", model);
  if (!backend.empty()) notes += StrCat(notes.empty() ? "" : ", ", "the backend is from ", backend);
  return notes.empty() ? error : error.Reworded(StrCat(error.message(), " (", notes, ')'));
}

// A mistyped variable would change nothing, in silence. What is near to none of ours may be
// somebody else's.
void SayUnknownVariables() {
  for (const UnknownVariable& variable : UnknownVariables()) {
    if (variable.meant.empty()) continue;
    SayOnStderr(StrCat("warning: nothing reads ", variable.name,
                       " of the environment; did you mean ", variable.meant, '?'));
  }
}

VerbResult RunApplication(Application& application, const std::vector<std::string>& arguments) {
  CLI::App& app = *application.app;
  // What the verb is, its arguments say before they are parsed.
  for (CLI::App* verb : app.get_subcommands({})) {
    const bool is_meant = !arguments.empty() && verb->get_name() == arguments.front();
    if (is_meant && !IsGiven(*verb->get_help_ptr(), arguments))
      AKIN_TRY(PrepareVariables(*verb, arguments));
  }
  try {
    app.parse(MarkedAndReversed(arguments));
  } catch (const CLI::CallForHelp&) {
    AKIN_TRY(WriteToStdout(HelpOf(app, Chosen(app))));
    return kSuccess;
  } catch (const CLI::ParseError& error) {
    if (IsGiven(*Chosen(app).get_help_ptr(), arguments)) {  // A wrong variable was found first.
      AKIN_TRY(WriteToStdout(HelpOf(app, Chosen(app))));
      return kSuccess;
    }
    AKIN_TRY(CheckRest(app));
    return InvalidInput(Command(app, Chosen(app)), ": ",
                        NameVariable(Chosen(app), arguments, OneLine(error.what())));
  }
  AKIN_TRY(CheckRest(app));
  if (app.count("--version") > 0) {
    AKIN_TRY(WriteToStdout(VersionText() + '\n'));
    return kSuccess;
  }
  const CLI::App& chosen = Chosen(app);
  if (&chosen == &app) return InvalidInput("akin: no command given (akin --help lists them)");
  if (chosen.get_name() != "serve") SayUnknownVariables();  // That one has a log.
  VerbResult result = application.verbs.at(&chosen)();
  if (!result) return NameVariable(chosen, arguments, result.error());
  return result;
}

bool WantsJson(const std::vector<std::string>& arguments) {
  const auto end = std::ranges::find(arguments, "--");
  const auto option = std::find(arguments.begin(), end, "--json");
  if (option == end) return false;
  // `akin bench --json FILE`: what it prints is for people.
  const auto file = option + 1;
  return arguments.front() != "bench" || file == end || file->starts_with('-');
}

}  // namespace akin::cli

// `akin help [TOPIC]`: the help of a command, or a page of its own.
#include "cli/app.h"
#include "cli/exit_status.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

constexpr std::string_view kExitStatusTopic = "exit-status";

const CLI::App* FindVerb(const CLI::App& app, const std::string& name) {
  for (const CLI::App* verb : app.get_subcommands({})) {
    if (verb->get_name() == name) return verb;
  }
  return nullptr;
}

VerbResult Help(CLI::App& app, const std::string& topic) {
  std::string page;
  if (topic.empty()) {
    page = HelpOf(app, app);
  } else if (topic == kExitStatusTopic) {
    page = ExitStatusHelp();
  } else if (const CLI::App* verb = FindVerb(app, topic)) {
    page = HelpOf(app, *verb);
  } else {
    return InvalidInput("akin help: no topic \"", topic, "\"; topics are the commands and ",
                        kExitStatusTopic);
  }
  AKIN_TRY(WriteToStdout(page));
  return kSuccess;
}

}  // namespace

void AddHelpCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "help", "Explain a command, or exit-status",
                           "  akin help embed\n  akin help exit-status\n");
  auto topic = std::make_shared<std::string>();
  verb.add_option("TOPIC", *topic, "A command, or exit-status");
  verbs[&verb] = [&app, topic] { return Help(app, *topic); };
}

}  // namespace akin::cli

// The option tree of `akin`, and what happens to an argument list.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

namespace akin::cli {

struct Application {
  std::unique_ptr<CLI::App> app;
  Verbs verbs;
};

// With the verbs that `arguments` need: the one they begin with, or all.
Application MakeApplication(const std::vector<std::string>& arguments);

// Parses `arguments` (without the program's name) and runs the verb. --help and --version print and
// succeed. Errors: InvalidInput for a wrong argument, with the nearest known name; the verb's own.
VerbResult RunApplication(Application& application, const std::vector<std::string>& arguments);

// The page of --help for a verb, or for the program itself.
std::string HelpOf(const CLI::App& app, const CLI::App& verb);

// --json stands among the options, so that every failure, a wrong option's too, is a JSON object.
bool WantsJson(const std::vector<std::string>& arguments);

}  // namespace akin::cli

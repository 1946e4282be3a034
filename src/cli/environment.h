// The variables of the environment that stand for options: AKIN_PORT for --port. The command line
// wins; an empty variable is none.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::cli {

// Lets the environment give `option` where the command line does not.
CLI::Option* FromEnvironment(CLI::Option* option);
// The options of `group`, as above, but those that the library itself looks up under that name.
void GroupFromEnvironment(CLI::App& verb, std::string_view group);

// Ends the --help of a verb that loads a model with the variables that it reads.
void DescribeVariables(CLI::App& verb);

// Before `verb` is parsed: an option of the command line has no variable, and none contradicts one
// that excludes its own. Error: InvalidInput for a variable of a flag that is neither a yes nor a
// no.
Status PrepareVariables(CLI::App& verb, const std::vector<std::string>& arguments);

// Whether `arguments` have the option, in any of its spellings.
bool IsGiven(const CLI::Option& option, const std::vector<std::string>& arguments);
// The variable that `option` has its value from, empty: none.
std::string VariableOf(const CLI::Option& option, const std::vector<std::string>& arguments);

// true, yes, on, 1 and false, no, off, 0, in any case; of anything else nothing.
std::optional<bool> ParseFlagWord(std::string_view word);
inline constexpr std::string_view kFlagWords = "true, yes, on or 1, or false, no, off or 0";

// The entries of the environment, with a null at the end, without those that stand for an option
// of some verb and nothing else, except for those whose names are in `kept`. They are the process's
// own: valid while nobody changes it.
std::vector<char*> EnvironmentWithoutOptions(std::span<const std::string> kept);

// A variable that begins with AKIN_ and that the verb `reader` does not read, or no verb where that
// is empty.
struct UnknownVariable {
  std::string name;
  std::string meant;  // The nearest that is read; empty: none is near.
};
std::vector<UnknownVariable> UnknownVariables(std::string_view reader = {});

}  // namespace akin::cli

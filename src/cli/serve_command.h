#pragma once

#include "cli/command.h"

namespace akin::cli {

void AddServeCommand(CLI::App& app, Verbs& verbs);

}  // namespace akin::cli

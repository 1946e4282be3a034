// What `akin serve` was told -> what the server is started with.
#pragma once

#include "akin/result.h"

#include "cli/command.h"
#include "cli/serve_arguments.h"
#include "server/serve.h"

namespace akin::cli {

// Values that `akin tune` has found for the first model stand in for threads and the token budget
// that are not given. Error: InvalidInput, an option that is malformed or contradicts another.
Result<server::ServeOptions> ToServeOptions(const ServeArguments& arguments);

// A model as other verbs would load it.
ModelArguments ArgumentsOf(const ServeArguments& arguments, const server::ModelSpec& spec);

}  // namespace akin::cli

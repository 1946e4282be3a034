// Execution providers: asked for in the order of preference, and had or not.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "akin/onnxruntime.h"
#include "akin/result.h"

#include "backends/onnxruntime/library.h"

namespace akin::backends::onnxruntime {

// Appends `provider` to the options of a session. Errors: InvalidInput (a name that no build of
// ONNX Runtime has, an option that the provider does not know), UnsupportedModel (this library, or
// this machine, does not have the provider).
Status AppendProvider(const Library& library, const ExecutionProvider& provider,
                      OrtSessionOptions* options);

// Those of `wanted` that `AppendProvider` can have; the others are an error where they are
// required, and a note each otherwise. Errors: InvalidInput (also AppendProvider's).
Result<std::vector<ExecutionProvider>> ProvidersToHave(const Library& library,
                                                       std::span<const ExecutionProvider> wanted,
                                                       std::vector<std::string>& notes);

// Every name that `AppendProvider` can have with this library now.
Result<std::vector<std::string>> AvailableProviders(const Library& library);

}  // namespace akin::backends::onnxruntime

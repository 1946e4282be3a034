// --isolate-load: a model is first loaded by another process of this program, which ends with it
// when the files or a foreign runtime bring it down. Here that is an error like others.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "akin/result.h"

#include "cli/command.h"

namespace akin::cli {

// What `akin info` is called with to load the same model in the same way, beside the variables that
// stand for options of ONNX Runtime and do not ask for it.
std::vector<std::string> LoadCommand(const ModelArguments& arguments);

// Error: InvalidModel when the process was ended by a signal or is not done in time. A load that
// merely fails is none: it will fail here in the same way, with its own message.
Status TryLoadInChild(const ModelArguments& arguments,
                      std::chrono::seconds limit = std::chrono::minutes(10));

}  // namespace akin::cli

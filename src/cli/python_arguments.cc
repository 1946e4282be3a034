#include "cli/python_arguments.h"

#include "cli/command.h"

namespace akin::cli {
namespace {

constexpr double kLeastSeconds = 0.001, kMostSeconds = 86'400;

}  // namespace

void PythonArguments::AddTo(CLI::App& verb) {
  verb.add_option("--python", interpreter,
                  "Python that runs the model (default: AKIN_PYTHON, python3)")
      ->type_name("PATH")
      ->group(kGroup);
  verb.add_option("--child", child, "Program that runs the model, in place of akin_bridge.py")
      ->type_name("FILE")
      ->group(kGroup);
  verb.add_option("--python-library", library, "What akin_bridge.py uses (default: what it finds)")
      ->type_name("{sentence-transformers,onnxruntime,mlx-embeddings}")
      ->group(kGroup);
  verb.add_option("--child-start-timeout", start_timeout, "For the child to load the model")
      ->type_name("SECONDS")
      ->check(Between(kLeastSeconds, kMostSeconds))
      ->group(kGroup);
  verb.add_option("--child-timeout", answer_timeout,
                  "For the child to answer; it is ended when it takes longer")
      ->type_name("SECONDS")
      ->check(Between(kLeastSeconds, kMostSeconds))
      ->group(kGroup);
}

PythonOptions PythonArguments::ToOptions() const {
  return {.interpreter = interpreter,
          .child = child,
          .library = library,
          .start_timeout_ms = static_cast<int>(start_timeout * 1e3),
          .answer_timeout_ms = static_cast<int>(answer_timeout * 1e3)};
}

}  // namespace akin::cli

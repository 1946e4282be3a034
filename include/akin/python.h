// How a child process runs a model (BackendKind::kPython). docs/python-backend.md has the protocol,
// for those who write a child of their own.
#pragma once

#include <string>

namespace akin {

struct PythonOptions {
  // The Python interpreter: a path, or a name that is looked up in PATH. Empty: AKIN_PYTHON in the
  // environment, or "python3".
  std::string interpreter;
  // The program to run in place of Akin's own akin_bridge.py: a file that ends in .py is given to
  // the interpreter, another one is run itself.
  std::string child;
  // What akin_bridge.py is to use: "sentence-transformers", "onnxruntime" or "mlx-embeddings".
  // Empty: the first of them that is installed and finds the files it reads.
  std::string library;
  // For the child to start and load the model, and to answer one request; then it is ended.
  int start_timeout_ms = 60'000;
  int answer_timeout_ms = 30'000;
};

}  // namespace akin

// The options of the backend python, in a group of their own in --help.
#pragma once

#include <CLI/CLI.hpp>

#include "akin/python.h"

namespace akin::cli {

struct PythonArguments {
  static constexpr char kGroup[] = "Backend python";  // In --help.

  std::string interpreter;
  std::string child;
  std::string library;
  double start_timeout = 60;
  double answer_timeout = 30;

  void AddTo(CLI::App& verb);
  PythonOptions ToOptions() const;
};

}  // namespace akin::cli

// The options of the backend onnxruntime, in a group of their own in --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "akin/onnxruntime.h"
#include "akin/options.h"
#include "akin/result.h"

namespace akin::cli {

struct OnnxRuntimeArguments {
  static constexpr char kGroup[] = "Backend onnxruntime";  // In --help.

  std::string library;
  std::string onnx_file;
  std::string output;
  std::vector<std::string> providers;           // NAME[:required][:key=value,...]
  std::vector<std::string> provider_libraries;  // NAME=PATH
  std::vector<int> shape_buckets;
  std::string optimization = "all";
  std::string optimized_cache;
  std::vector<std::string> session_config;  // KEY=VALUE
  bool batch_invariant = false;
  bool no_batch_invariant = false;
  double run_timeout = 60;
  bool isolate_load = false;
  bool count_nodes = false;                  // Set by verbs, no option.
  std::vector<const CLI::Option*> declared;  // Of the verb that they were added to.

  void AddTo(CLI::App& verb);
  // Only what finds the library and its plug-ins.
  void AddLibraryTo(CLI::App& verb);
  // The first of these options that the command line or a configuration file gives, as "--ep";
  // empty: none does. What stands in the environment was meant for every model, and asks for no
  // backend.
  std::string GivenOption() const;
  // The variables that stand for the others.
  std::vector<std::string> Variables() const;
  // Error: InvalidInput, one is given and `backend` is another one that would not look at it.
  Status CheckFits(BackendKind backend) const;
  // Error: InvalidInput, an option that is malformed.
  Result<OnnxRuntimeOptions> ToOptions() const;
  // What computes the model, and how, as words of a command line: all but the buckets, the cache,
  // the time limit and how it is loaded. What is not given is left out.
  std::vector<std::string> Words() const;
};

}  // namespace akin::cli

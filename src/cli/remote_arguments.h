// The options of the backend remote, in a group of their own in --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "akin/remote.h"

namespace akin::cli {

struct RemoteArguments {
  static constexpr char kGroup[] = "Backend remote";  // In --help.

  std::string url;
  std::string dialect{RemoteDialectName(RemoteDialect::kOpenAi)};
  std::string api_key;
  std::string model;
  int connections = RemoteOptions{}.max_connections;
  int batch_texts = RemoteOptions{}.batch_texts;
  int retries = RemoteOptions{}.max_retries;
  double timeout = 60;

  void AddTo(CLI::App& verb);
  // Error: InvalidInput, a dialect that is none.
  Result<RemoteOptions> ToOptions() const;
};

}  // namespace akin::cli

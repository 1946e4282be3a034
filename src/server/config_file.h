// The TOML file of `akin serve --config`: the options by their long names.
//
//   port = 8080
//   model = ["small=/models/small", "large=/models/large"]
#pragma once

#include <string>
#include <vector>

#include "akin/result.h"

namespace akin::server {

struct ConfigEntry {
  std::string key;  // With dashes, as the option has it.
  std::vector<std::string> values;
  int line = 0;
};

// Of the file's text `content`. Error: InvalidInput with the file and the line.
Result<std::vector<ConfigEntry>> ParseConfigFile(const std::string& content,
                                                 const std::string& path);

}  // namespace akin::server

// The TOML file of `akin serve --config`: the options by their long names.
//
//   port = 8080
//   model = ["small=/models/small", "large=/models/large"]
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "akin/result.h"

namespace akin::server {

struct ConfigEntry {
  std::string key;  // With dashes, as the option has it.
  std::vector<std::string> values;
  int line = 0;
};

// What would do as the value of a key, for messages: "a whole number". Empty: no option has the
// key.
using ConfigValues = std::function<std::string(const std::string& key)>;

// Of the file's text `content`. Error: InvalidInput with the file, the line and the key.
Result<std::vector<ConfigEntry>> ParseConfigFile(const std::string& content,
                                                 const std::string& path,
                                                 const ConfigValues& values_of);

}  // namespace akin::server

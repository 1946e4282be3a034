// One line of JSON lines -> the text and the id in it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::cli {

struct JsonLine {
  std::string text;
  std::string second;  // The other text of a pair.
  std::optional<std::string>
      id;                   // As it stood in the line, a JSON scalar; none if missing or null.
  std::string prompt_name;  // What the line says of its own reading,
  std::optional<int> truncate_dim;  // and of its vector.
};

class JsonLineParser {
 public:
  // `field` names the member that holds the text, `second_field` that of a pair's other text;
  // empty: there are no pairs.
  explicit JsonLineParser(std::string field, std::string second_field = "");
  ~JsonLineParser();

  // Reads `line`, behind which `readable` bytes may be read. The whole line is checked, not only
  // what is used; of duplicate members the last one counts, as in Python's json. The error is
  // InvalidInput without the line's name: `field "text" is a number, expected a string`.
  Result<JsonLine> Parse(std::string_view line, size_t readable);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akin::cli

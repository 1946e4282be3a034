// A "pattern" of tokenizer.json, {"String": ..} or {"Regex": ..}: where Split cuts and what Replace
// replaces.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tokenizer/normalized_text.h"
#include "tokenizer/pre_tokenizers/known_patterns.h"
#include "tokenizer/regex/regex.h"
#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

class Pattern {
 public:
  // Errors: InvalidModel, UnsupportedModel (a construct of a regular expression).
  static Result<Pattern> Load(const formats::JsonValue& json);

  // Appends all matches in text[range], from left to right without overlap. Those of a regular
  // expression may be empty. Takes from `steps_left`. Errors: InvalidInput (too many steps).
  Status FindAll(std::string_view text, ByteRange range, size_t& steps_left,
                 std::vector<ByteRange>& matches) const;

  // Null: a pattern of its own. Matches of a known one are never empty.
  const KnownPattern* known() const { return known_; }

 private:
  const KnownPattern* known_ = nullptr;
  std::string literal_;                // If it is not empty,
  std::optional<regex::Regex> regex_;  // or else this.
};

}  // namespace akin::tokenizer

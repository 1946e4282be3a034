// Regular expressions as tokenizers use them: parser.h has the syntax (Oniguruma's), program.h what
// is made of it.
//
// The matcher tries the alternatives one after the other, as Oniguruma does, so that the same match
// comes out. Its stack is explicit, and it counts its steps: when a text needs many, it begins to
// remember which states have failed at which position and tries none of them twice, whatever the
// place where a match begins. The time is then linear in the text but for what is inside of atomic
// and look-around groups; a pattern that spends too much there ends with an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "tokenizer/normalized_text.h"
#include "tokenizer/regex/program.h"

namespace akin::tokenizer::regex {

// Immutable; to be used from many threads.
class Regex {
 public:
  // `where` begins messages. Errors: InvalidModel; UnsupportedModel names the construct.
  static Result<Regex> Load(std::string_view pattern, std::string_view where);

  // Appends all matches in `text`, which is UTF-8, from left to right and without overlap, to
  // `matches`, moved by `offset`. A match may be empty, but for one right behind another. What it
  // takes is no more than `steps_left`, and is taken from it.
  // Errors: InvalidInput (the pattern takes too many steps).
  Status FindAll(std::string_view text, uint32_t offset, size_t& steps_left,
                 std::vector<ByteRange>& matches) const;

 private:
  explicit Regex(Program program) : program_(std::move(program)) {}
  Program program_;
};

}  // namespace akin::tokenizer::regex

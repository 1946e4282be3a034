// Numbers as the reference reads them.
#pragma once

#include <optional>
#include <string_view>

namespace akin::tokenizer {

// The value of `text`, a JSON number, by serde_json's quick rule, which does not round correctly:
// up to 19 or 20 digits as an integer, turned into a double, then one multiplication or division by
// a power of ten. Ties between paths of a Unigram model hang on the last bit. Nothing if it
// overflows.
std::optional<double> ReadScore(std::string_view text);

}  // namespace akin::tokenizer

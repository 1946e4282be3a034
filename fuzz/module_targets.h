// What the fuzzers of modules and ranges do with an input; the tests replay their corpora.
#pragma once

#include <string_view>

namespace akin::fuzz {

// `input` is several files of a model folder, each after a line "--- NAME"; names that a model does
// not have are passed over. Every route is loaded.
void LoadModules(std::string_view input);

// `input` is a quantization_ranges.json.
void LoadRanges(std::string_view input);

}  // namespace akin::fuzz

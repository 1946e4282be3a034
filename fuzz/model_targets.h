// What the fuzzers of model folders run; see tokenizer_targets.h.
#pragma once

#include <string_view>

namespace akin::fuzz {

// `json` is the text of a config.json; what it says is then looked for in a file without tensors.
void LoadConfig(std::string_view json);

}  // namespace akin::fuzz

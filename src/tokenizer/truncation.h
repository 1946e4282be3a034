// The "truncation" and "padding" of tokenizer.json.
#pragma once

#include <cstdint>
#include <optional>

#include "akin/result.h"

#include "formats/json.h"

namespace akin::tokenizer {

struct Truncation {
  std::optional<int64_t> max_length;  // Special tokens included. Unset: texts stay whole.
  bool keep_end = false;              // Direction "Left": the first tokens go, not the last.
};

// `json` is the "truncation" of the file or nothing; `num_special_tokens` are added to every text.
// Error: InvalidModel, also for a limit that cannot be met.
Result<Truncation> ReadTruncation(const std::optional<formats::JsonValue>& json,
                                  int num_special_tokens);

// Akin computes ragged batches and never pads; the file's wish is only checked.
Status CheckPadding(const std::optional<formats::JsonValue>& json);

}  // namespace akin::tokenizer

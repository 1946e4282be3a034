// The "padding" of tokenizer.json. The engine computes ragged batches and never pads; this is for
// users of akin::Tokenizer who feed rectangular batches to something else.
#pragma once

#include <optional>
#include <span>

#include "akin/result.h"
#include "akin/tokenizer.h"

#include "formats/json.h"

namespace akin::tokenizer {

// `json` is the "padding" of the file or nothing. Error: InvalidModel.
Result<std::optional<Padding>> ReadPadding(const std::optional<formats::JsonValue>& json);

// A padding that the caller gives. Error: InvalidInput.
Status CheckPadding(const Padding& padding);

// Pads all encodings of one batch, and the parts of their overflow, to the same length. Longer ones
// stay as they are. Vectors that are empty because nobody asked for them stay empty.
void Pad(std::span<Encoding> batch, const Padding& padding, bool with_offsets);

}  // namespace akin::tokenizer

// What vLLM's clients, and those of llama.cpp and Infinity, send beside the fields of the dialects
// that they share. What would change an answer works or is refused by its name: never silently
// another answer.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "akin/options.h"
#include "akin/result.h"

#include "server/json_reader.h"

namespace akin::server {

// How base64 writes a value: vLLM's `embed_dtype` and `endianness`.
struct BinaryForm {
  enum class Type { kFloat32, kFloat16, kBfloat16 };
  Type type = Type::kFloat32;
  bool big_endian = false;
};

// Error: InvalidInput (fp8_*, or what is none).
Result<BinaryForm> ReadBinaryForm(const JsonRequest& body);

// A string, with its quotes.
void AppendBinary(std::string& out, std::span<const float> vector, const BinaryForm& form);

// Whether vectors are scaled to length 1, from Jina's `normalized`, vLLM's `normalize` or
// llama.cpp's `embd_normalize` (2: yes, -1: no); of several the first counts. Error: InvalidInput
// (the other norms of the last one).
Result<bool> ReadNormalize(const JsonRequest& body);

// At most so many tokens; -1 is the model's limit. Error: InvalidInput.
inline constexpr std::string_view kPromptTokens = "truncate_prompt_tokens";
Result<std::optional<int>> ReadPromptTokens(const JsonRequest& body);

// What no answer of this server is: texts without their special tokens (`add_special_tokens`),
// images and sounds (`modality`). Error: InvalidInput.
Status CheckNothingElse(const JsonRequest& body);

}  // namespace akin::server

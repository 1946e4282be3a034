// Text to token ids exactly as Hugging Face `tokenizers` does it, read from a model's
// tokenizer.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/result.h"

namespace akin {

// Which end of a text that is too long is cut off.
enum class TruncationSide { kLeft, kRight };

// Which parts of an encoding to compute. Ids are always there; what is not asked for stays empty
// and costs nothing.
struct EncodeOptions {
  bool add_special_tokens = true;
  // Cut to this many tokens, special tokens included; the cut tokens are counted in
  // Encoding::truncated.
  std::optional<int> max_tokens;
  std::optional<TruncationSide> truncation_side;  // Unset: as the file says.
  bool with_offsets = false;  // Encoding::offsets, tokens, special_tokens_mask and word_ids too.
};

// All vectors that are not empty have one entry per token.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids;
  std::vector<std::pair<int32_t, int32_t>>
      offsets;  // Begin and end in code points of the text; (0, 0) for added special tokens.
  std::vector<std::string> tokens;
  std::vector<uint8_t> special_tokens_mask;
  std::vector<std::optional<int32_t>> word_ids;
  int32_t truncated = 0;  // Tokens cut because of max_tokens.
};

class Tokenizer {
 public:
  // `path` is a tokenizer.json, or a folder that holds one.
  // Errors: ModelNotFound, InvalidModel, UnsupportedModel; the message names the file and the key.
  static Result<Tokenizer> Load(std::string_view path);

  // Errors: InvalidInput with the byte offset where `text` is not UTF-8.
  Result<Encoding> Encode(std::string_view text, const EncodeOptions& options = {}) const;

  std::optional<int32_t> TokenToId(std::string_view token) const;
  std::optional<std::string> IdToToken(int32_t id) const;
  size_t vocab_size() const;  // Added tokens included.

 private:
  class Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace akin

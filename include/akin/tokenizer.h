// Text to token ids, and back, exactly as Hugging Face `tokenizers` does it, read from a model's
// tokenizer.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "akin/options.h"
#include "akin/result.h"

namespace akin {
namespace tokenizer {
struct TokenizerAccess;
}

// Which text of a pair is cut.
enum class TruncationStrategy { kLongestFirst, kOnlyFirst, kOnlySecond };

// Cutting a text, or a pair, to a number of tokens.
struct Truncation {
  int64_t max_length = 0;  // Special tokens included.
  int64_t stride = 0;      // Tokens that a part of the overflow shares with the part before it.
  TruncationStrategy strategy = TruncationStrategy::kLongestFirst;
  TruncationSide side = TruncationSide::kRight;
};

// Filling up what is shorter than the longest of the batch, or than `length`.
struct Padding {
  std::optional<int64_t> length;  // Unset: as long as the longest of the batch.
  bool on_left = false;
  int64_t multiple_of = 0;  // The length is rounded up to a multiple of this. 0: it is not.
  int32_t id = 0;
  int32_t type_id = 0;
  std::string token = "[PAD]";
};

// What an option is when the caller does not say: what tokenizer.json says, if it says anything.
struct AsInFile {};
struct Off {};

// Which parts of an encoding to compute, and how long it may be. Ids are always there; what is not
// asked for stays empty and costs nothing.
struct EncodeOptions {
  bool add_special_tokens = true;
  // Short for a truncation to this many tokens, special tokens included; the cut tokens are counted
  // in Encoding::truncated. Wins over `truncation`.
  std::optional<int> max_tokens;
  std::optional<TruncationSide> truncation_side;  // Unset: as `truncation` says.
  bool with_offsets = false;      // Encoding::offsets, tokens, special_tokens_mask, word_ids too.
  bool with_overflowing = false;  // Encoding::overflowing too.
  std::variant<AsInFile, Off, Truncation> truncation;
  std::variant<AsInFile, Off, Padding> padding;
};

// All vectors of tokens that are not empty have one entry per token.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids;
  std::vector<uint8_t> attention_mask;  // 0 for padding, 1 for all else.
  std::vector<std::pair<int32_t, int32_t>>
      offsets;  // Begin and end in code points of the text; (0, 0) for added special tokens.
  std::vector<std::string> tokens;
  std::vector<uint8_t> special_tokens_mask;
  std::vector<std::optional<int32_t>> word_ids;
  std::vector<Encoding> overflowing;  // What was cut, in parts of the same length.
  int32_t truncated = 0;              // Tokens cut.
};

class Tokenizer {
 public:
  // `path` is a tokenizer.json, or a folder that holds one, or an older BERT folder with only a
  // vocab.txt (and a tokenizer_config.json). Errors: ModelNotFound, InvalidModel, UnsupportedModel;
  // the message names the file and the key.
  static Result<Tokenizer> Load(std::string_view path);

  // Errors: InvalidInput (the byte offset where a text is not UTF-8; a truncation that cannot be
  // met).
  Result<Encoding> Encode(std::string_view text, const EncodeOptions& options = {}) const;
  Result<Encoding> EncodePair(std::string_view first, std::string_view second,
                              const EncodeOptions& options = {}) const;

  // All of `texts`, on up to `num_threads` threads (0: as many as this machine allows), padded
  // together. The error is that of the first text that has one and says which it is.
  Result<std::vector<Encoding>> EncodeBatch(std::span<const std::string_view> texts,
                                            const EncodeOptions& options = {},
                                            int num_threads = 0) const;
  Result<std::vector<Encoding>> EncodeBatch(
      std::span<const std::pair<std::string_view, std::string_view>> pairs,
      const EncodeOptions& options = {}, int num_threads = 0) const;

  // The number of tokens that Encode would give without padding; makes no Encoding.
  Result<size_t> CountTokens(std::string_view text, const EncodeOptions& options = {}) const;

  // Unknown ids are passed over. Error: InvalidInput, for a file whose decoder makes far more of
  // these tokens than they are.
  Result<std::string> Decode(std::span<const int32_t> ids, bool skip_special_tokens = true) const;

  std::optional<int32_t> TokenToId(std::string_view token) const;
  // Valid as long as this tokenizer or a copy of it.
  std::optional<std::string_view> IdToToken(int32_t id) const;
  size_t vocab_size() const;  // Added tokens included.

 private:
  friend struct tokenizer::TokenizerAccess;
  class Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace akin

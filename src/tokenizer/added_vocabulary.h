// The "added_tokens" of tokenizer.json: tokens that are found in a text before anything else.
//
// Those with "normalized": false are cut out of the text as it is; the others are looked for in the
// normalized text, by their own normalized content. The leftmost match counts, of those the
// longest: a walk through a trie from every place where one may begin. No token is longer than
// kMaxPieceBytes, and no run of blanks is walked along twice, so that a text costs time in
// proportion to its length.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/models/double_array_trie.h"
#include "tokenizer/models/hash.h"
#include "tokenizer/models/model.h"
#include "tokenizer/normalized_text.h"
#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  // Only where no word character is on either side.
  bool lstrip = false;       // Takes the white space before it,
  bool rstrip = false;       // and after it.
  bool normalized = false;
  bool special = false;
};

// A part of a text: an added token, or what stands between two of them.
struct TextPart {
  ByteRange range;
  int32_t id;  // kNoToken: text for the next stage.
  static constexpr int32_t kNoToken = -1;
};

// Finds a fixed set of tokens in a text.
class TokenFinder {
 public:
  TokenFinder() = default;
  // `patterns[i]` is what tokens[i] looks like. Of equal ones the first counts.
  TokenFinder(std::vector<AddedToken> tokens, const std::vector<std::string>& patterns);

  bool empty() const { return tokens_.empty(); }
  // Replaces `parts` by those of `text`, in order and never empty.
  void Cut(std::string_view text, std::vector<TextPart>& parts) const;

 private:
  size_t NextCandidate(std::string_view text, size_t begin) const;

  std::vector<AddedToken> tokens_;
  DoubleArrayTrie trie_{{}};                 // Pattern -> index in tokens_.
  std::array<bool, 256> begins_ = {};        // Bytes with which a pattern begins.
  std::optional<unsigned char> only_first_;  // The byte with which all of them begin.
};

class AddedVocabulary {
 public:
  // `json` is the array "added_tokens" or nothing. Ids written in it are not used: a token has the
  // model's id, or else the next free one, as in the reference. `normalizer` may be null. Errors:
  // InvalidModel, UnsupportedModel.
  static Result<AddedVocabulary> Load(const std::optional<formats::JsonValue>& json,
                                      const Model& model, const Normalizer* normalizer);

  const TokenFinder& in_text() const { return in_text_; }
  const TokenFinder& in_normalized() const { return in_normalized_; }

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const AddedToken* FindContent(std::string_view content) const;
  const AddedToken* FindId(int32_t id) const;
  // Tokens that the model does not have.
  size_t num_new_tokens() const { return num_new_tokens_; }
  int32_t max_id() const { return max_id_; }

 private:
  Status Add(AddedToken token, const Model& model, const formats::JsonValue& json);
  Status BuildFinders(const Normalizer* normalizer, const formats::JsonValue& json);

  std::vector<AddedToken> tokens_;  // In file order.
  // Indices in tokens_.
  std::unordered_map<std::string, size_t, SeededHash, std::equal_to<>> by_content_;
  std::unordered_map<int32_t, size_t, SeededHash> by_id_;
  size_t num_new_tokens_ = 0;
  int32_t max_id_ = -1;
  TokenFinder in_text_, in_normalized_;
};

}  // namespace akin::tokenizer

// The pieces of a model and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "formats/json.h"
#include "tokenizer/models/double_array_trie.h"

namespace akin::tokenizer {

class Vocabulary {
 public:
  // From an object {"piece": id, ...}. Ids may have gaps, but no two pieces share one. Error:
  // InvalidModel.
  static Result<Vocabulary> Load(const formats::JsonValue& json);

  size_t size() const { return by_id_.size(); }
  int32_t max_id() const { return by_id_.empty() ? -1 : by_id_.back().id; }
  std::optional<int32_t> Id(std::string_view piece) const;
  std::optional<std::string_view> Piece(int32_t id) const;
  // Piece -> id.
  const DoubleArrayTrie& trie() const { return trie_; }

 private:
  struct Entry {
    int32_t id;
    uint32_t begin, size;  // Of the piece in text_.
  };
  Vocabulary(std::string text, std::vector<Entry> by_id, DoubleArrayTrie trie);

  std::string text_;          // All pieces end to end.
  std::vector<Entry> by_id_;  // Sorted by id.
  DoubleArrayTrie trie_;
};

// The id of the model's "unk_token", which must be in `vocab`: without it a text could meet a piece
// that has no token. Error: InvalidModel.
Result<int32_t> GetUnkId(const formats::JsonValue& model, const Vocabulary& vocab);

}  // namespace akin::tokenizer

// The pieces of a model and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
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
  // ids[i] of pieces[i], -1 for what is no piece. The tables are larger than the caches: many
  // lookups at once wait for memory together.
  void FindIds(std::span<const std::string_view> pieces, std::span<int32_t> ids) const;
  std::optional<std::string_view> Piece(int32_t id) const;
  // The pieces in the order of their ids; `index` is less than size().
  std::string_view PieceAt(size_t index) const { return Text(by_id_[index]); }
  // Piece -> id, for those who walk byte by byte.
  DoubleArrayTrie MakeTrie() const;
  size_t longest_piece_bytes() const;

 private:
  struct Entry {
    int32_t id;
    uint32_t begin, size;  // Of the piece in text_.
  };
  struct Slot {
    uint32_t tag;    // The upper half of the piece's hash.
    uint32_t entry;  // In by_id_, plus one; 0: free.
  };
  std::string_view Text(const Entry& entry) const {
    return std::string_view(text_).substr(entry.begin, entry.size);
  }
  // The slot of `piece`, or the free one where it belongs.
  template <typename Slots>
  auto& FindSlot(Slots& slots, std::string_view piece, uint64_t hash) const;
  void Add(std::string_view piece, int32_t id);
  void FillSlots();
  void DropOverwritten();
  void SortById();

  std::string text_;          // All pieces end to end.
  std::vector<Entry> by_id_;  // Sorted by id.
  std::vector<Slot> slots_;   // A power of two of them, at most half full; linear probing.
  uint64_t seed_ = 0;
};

// The id of the model's "unk_token", which must be in `vocab`: without it a text could meet a piece
// that has no token. Error: InvalidModel.
Result<int32_t> GetUnkId(const formats::JsonValue& model, const Vocabulary& vocab);

// Models that look for the longest piece at every place of a text take (bytes of the text x bytes
// of the longest piece) steps at worst. The pieces of real models have some hundred bytes.
inline constexpr size_t kMaxPieceBytes = 1024;
Status CheckPieceLength(const formats::JsonValue& json, size_t longest_piece_bytes);

}  // namespace akin::tokenizer

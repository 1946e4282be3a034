#include "tokenizer/models/bpe_merges.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;

// "a b" or ["a", "b"]. Both forms never stand in one file.
Result<std::pair<std::string_view, std::string_view>> ReadMerge(const JsonValue& json, bool pairs) {
  if (pairs) {
    AKIN_TRY_ASSIGN(const auto parts, json.AsArray());
    if (json.size() != 2) {
      return InvalidModel(json.Where(), " has ", json.size(), " parts, expected 2");
    }
    std::array<std::string_view, 2> texts;
    size_t i = 0;
    for (const JsonValue part : parts) {
      AKIN_TRY_ASSIGN(texts[i], part.AsString());
      ++i;
    }
    return std::pair(texts[0], texts[1]);
  }
  AKIN_TRY_ASSIGN(const std::string_view text, json.AsString());
  const size_t space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos) {
    return InvalidModel(json.Where(), " is ", json.Found(), ", expected two parts with a blank");
  }
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

// Some merges that are looked up together. What a merge makes is nearly always the piece that the
// merge before made, or the next one: that is looked at first, and the merged text never written.
class MergeBlock {
 public:
  static constexpr size_t kSize = 32;

  explicit MergeBlock(const Vocabulary& vocab) : vocab_(vocab) {}

  bool is_full() const { return count_ == kSize; }

  // Views of the document; `right` stands in the merged piece without `prefix_bytes`.
  void Add(const JsonValue& merge, std::string_view left, std::string_view right,
           size_t prefix_bytes) {
    places_[count_] = merge;
    pieces_[2 * count_] = left;
    pieces_[2 * count_ + 1] = right;
    right.remove_prefix(prefix_bytes);
    merged_ids_[count_] = GuessMerged(left, right);
    if (merged_ids_[count_] < 0) merged_[count_].assign(left).append(right);
    ++count_;
  }

  // Appends them to `merges` and is empty again. Error: a piece is not in the vocabulary.
  Status Flush(std::vector<MergeTable::Merge>& merges) {
    std::array<int32_t, 2 * kSize> ids;
    vocab_.FindIds(std::span<const std::string_view>(pieces_).first(2 * count_), ids);
    FindMerged();
    for (size_t i = 0; i < count_; ++i) {
      const int32_t left = ids[2 * i], right = ids[2 * i + 1], merged = merged_ids_[i];
      if (left < 0) return Missing(i, pieces_[2 * i]);
      if (right < 0) return Missing(i, pieces_[2 * i + 1]);
      if (merged < 0) return Missing(i, merged_[i]);
      merges.push_back({.left = static_cast<uint32_t>(left),
                        .right = static_cast<uint32_t>(right),
                        .rank = static_cast<uint32_t>(merges.size()),
                        .merged = static_cast<uint32_t>(merged)});
    }
    count_ = 0;
    return {};
  }

 private:
  int32_t GuessMerged(std::string_view left, std::string_view right) {
    for (const int32_t step : {0, 1}) {
      if (last_merged_ > std::numeric_limits<int32_t>::max() - step) break;
      const int32_t id = last_merged_ + step;
      const std::optional<std::string_view> piece = vocab_.Piece(id);
      if (!piece || piece->size() != left.size() + right.size()) continue;
      if (piece->starts_with(left) && piece->ends_with(right)) return last_merged_ = id;
    }
    return -1;
  }

  // Looks up what was not guessed.
  void FindMerged() {
    std::array<std::string_view, kSize> pieces;
    std::array<size_t, kSize> owners;
    size_t missing = 0;
    for (size_t i = 0; i < count_; ++i) {
      if (merged_ids_[i] >= 0) continue;
      owners[missing] = i;
      pieces[missing++] = merged_[i];
    }
    if (missing == 0) return;
    std::array<int32_t, kSize> ids;
    vocab_.FindIds(std::span<const std::string_view>(pieces).first(missing), ids);
    for (size_t i = 0; i < missing; ++i) merged_ids_[owners[i]] = ids[i];
    last_merged_ = std::max(0, merged_ids_[count_ - 1]);
  }

  Error Missing(size_t i, std::string_view piece) const {
    return InvalidModel(places_[i]->Where(), ": ", piece.substr(0, 40),
                        " is not in the vocabulary");
  }

  const Vocabulary& vocab_;
  size_t count_ = 0;
  int32_t last_merged_ = 0;
  std::array<std::optional<JsonValue>, kSize> places_;  // Of each merge in the file.
  std::array<std::string_view, 2 * kSize> pieces_;      // Left and right, in turn.
  std::array<int32_t, kSize> merged_ids_;               // -1: not guessed, then
  std::array<std::string, kSize> merged_;               // this is its text.
};

// Single characters of the vocabulary: what a piece begins with.
void AddCharacters(const Vocabulary& vocab, MergeBorders& borders) {
  for (size_t i = 0; i < vocab.size(); ++i) {
    const std::string_view piece = vocab.PieceAt(i);
    if (!piece.empty() && piece.size() == Utf8Length(piece[0])) {
      borders.AddCharacter(DecodeUtf8(piece.data()));
    }
  }
}

}  // namespace

Result<Merges> LoadMerges(const JsonValue& json, const Vocabulary& vocab, size_t prefix_bytes) {
  AKIN_TRY_ASSIGN(const auto values, json.AsArray());
  std::vector<MergeTable::Merge> merges;
  merges.reserve(json.size());
  MergeBorders borders;
  AddCharacters(vocab, borders);
  MergeBlock block(vocab);
  const bool pairs = json.size() > 0 && (*values.begin()).is_array();
  for (const JsonValue value : values) {
    if (!pairs && value.is_string() && value.AsString()->starts_with("#version")) continue;
    AKIN_TRY_ASSIGN(const auto parts, ReadMerge(value, pairs));
    const auto [left, right] = parts;
    if (right.size() < prefix_bytes) {
      return InvalidModel(value.Where(), " is shorter than continuing_subword_prefix");
    }
    block.Add(value, left, right, prefix_bytes);
    borders.AddMerge(left, right);
    if (block.is_full()) AKIN_TRY(block.Flush(merges));
  }
  AKIN_TRY(block.Flush(merges));
  return Merges{MergeTable(merges), std::move(borders)};
}

}  // namespace akin::tokenizer

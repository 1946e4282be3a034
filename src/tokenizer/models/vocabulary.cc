#include "tokenizer/models/vocabulary.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "tokenizer/models/hash.h"

namespace akin::tokenizer {
namespace {

constexpr size_t kMinSlots = 16;

}  // namespace

Result<Vocabulary> Vocabulary::Load(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const auto values, json.AsObject());
  Vocabulary vocab;
  vocab.Reserve(json.size());
  for (const formats::JsonValue value : values) {
    AKIN_TRY_ASSIGN(const int64_t id, value.AsIntIn(0, std::numeric_limits<int32_t>::max()));
    vocab.Add(value.key(), static_cast<int32_t>(id));
  }
  vocab.SortById();
  const auto twice = std::ranges::adjacent_find(vocab.by_id_, {}, &Entry::id);
  if (twice != vocab.by_id_.end()) {
    return InvalidModel(json.Where(), " gives the id ", twice->id, " to two pieces, ",
                        vocab.Text(twice[0]), " and ", vocab.Text(twice[1]));
  }
  return vocab;
}

void Vocabulary::Reserve(size_t num_pieces) {
  seed_ = HashSeed();
  by_id_.reserve(num_pieces);
  slots_.assign(std::bit_ceil(std::max(2 * num_pieces, kMinSlots)), Slot{0, 0});
}

// The slot of `piece`, or the free one where it belongs.
Vocabulary::Slot& Vocabulary::FindSlot(std::string_view piece) {
  const uint64_t hash = HashBytes(piece, seed_);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    Slot& slot = slots_[i];
    if (slot.entry == 0) slot.tag = tag;
    if (slot.entry == 0) return slot;
    if (slot.tag == tag && Text(by_id_[slot.entry - 1]) == piece) return slot;
  }
}

// Of a piece that occurs twice the last id counts.
void Vocabulary::Add(std::string_view piece, int32_t id) {
  Slot& slot = FindSlot(piece);
  if (slot.entry != 0) {
    by_id_[slot.entry - 1].id = id;
    return;
  }
  by_id_.push_back({id, static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(piece.size())});
  slot.entry = static_cast<uint32_t>(by_id_.size());
  text_ += piece;
}

void Vocabulary::SortById() {
  if (std::ranges::is_sorted(by_id_, {}, &Entry::id)) return;
  std::ranges::sort(by_id_, {}, &Entry::id);
  std::ranges::fill(slots_, Slot{0, 0});
  for (uint32_t i = 0; i < by_id_.size(); ++i) FindSlot(Text(by_id_[i])).entry = i + 1;
}

DoubleArrayTrie Vocabulary::MakeTrie() const {
  std::vector<DoubleArrayTrie::Entry> keys;
  keys.reserve(by_id_.size());
  for (const Entry& entry : by_id_) keys.emplace_back(Text(entry), entry.id);
  return DoubleArrayTrie::FromUnsorted(std::move(keys));
}

size_t Vocabulary::longest_piece_bytes() const {
  size_t longest = 0;
  for (const Entry& entry : by_id_) longest = std::max<size_t>(longest, entry.size);
  return longest;
}

std::optional<int32_t> Vocabulary::Id(std::string_view piece) const {
  const uint64_t hash = HashBytes(piece, seed_);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots_.size() - 1;
  for (size_t i = hash & mask; slots_[i].entry != 0; i = (i + 1) & mask) {
    if (slots_[i].tag != tag) continue;
    const Entry& entry = by_id_[slots_[i].entry - 1];
    if (Text(entry) == piece) return entry.id;
  }
  return std::nullopt;
}

std::optional<std::string_view> Vocabulary::Piece(int32_t id) const {
  // Most vocabularies have no gaps.
  const auto index = static_cast<size_t>(id);
  if (index < by_id_.size() && by_id_[index].id == id) return Text(by_id_[index]);
  const auto found = std::ranges::lower_bound(by_id_, id, {}, &Entry::id);
  if (found == by_id_.end() || found->id != id) return std::nullopt;
  return Text(*found);
}

Result<int32_t> GetUnkId(const formats::JsonValue& model, const Vocabulary& vocab) {
  AKIN_TRY_ASSIGN(const formats::JsonValue unk, model.Get("unk_token"));
  AKIN_TRY_ASSIGN(const std::string_view token, unk.AsString());
  if (const std::optional<int32_t> id = vocab.Id(token)) return *id;
  return InvalidModel(unk.Where(), " is ", unk.Found(), ", which is not in the vocabulary");
}

Status CheckPieceLength(const formats::JsonValue& json, size_t longest_piece_bytes) {
  if (longest_piece_bytes <= kMaxPieceBytes) return {};
  return UnsupportedModel(json.Where(), " has a piece of ", longest_piece_bytes, " bytes, at most ",
                          kMaxPieceBytes, " are supported");
}

}  // namespace akin::tokenizer

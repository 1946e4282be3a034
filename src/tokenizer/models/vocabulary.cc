#include "tokenizer/models/vocabulary.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "tokenizer/models/hash.h"

namespace akin::tokenizer {
namespace {

constexpr size_t kMinSlots = 16;
constexpr size_t kAhead = 32;         // Lookups whose memory is asked for before the first is read.
constexpr int32_t kOverwritten = -1;  // The id of an entry whose piece comes again.

// Where the search for a hash begins.
template <typename Slot>
size_t Home(const std::vector<Slot>& slots, uint64_t hash) {
  return hash & (slots.size() - 1);
}

}  // namespace

Result<Vocabulary> Vocabulary::Load(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const auto values, json.AsObject());
  Vocabulary vocab;
  vocab.seed_ = HashSeed();
  vocab.by_id_.reserve(json.size());
  for (const formats::JsonValue value : values) {
    AKIN_TRY_ASSIGN(const int64_t id, value.AsIntIn(0, std::numeric_limits<int32_t>::max()));
    vocab.Add(value.key(), static_cast<int32_t>(id));
  }
  vocab.FillSlots();
  vocab.DropOverwritten();
  vocab.SortById();
  const auto twice = std::ranges::adjacent_find(vocab.by_id_, {}, &Entry::id);
  if (twice != vocab.by_id_.end()) {
    return InvalidModel(json.Where(), " gives the id ", twice->id, " to two pieces, ",
                        vocab.Text(twice[0]), " and ", vocab.Text(twice[1]));
  }
  return vocab;
}

template <typename Slots>
auto& Vocabulary::FindSlot(Slots& slots, std::string_view piece, uint64_t hash) const {
  const auto tag = static_cast<uint32_t>(hash >> 32);
  const size_t mask = slots.size() - 1;
  for (size_t i = Home(slots, hash);; i = (i + 1) & mask) {
    auto& slot = slots[i];
    if (slot.entry == 0) return slot;
    if (slot.tag == tag && Text(by_id_[slot.entry - 1]) == piece) return slot;
  }
}

void Vocabulary::Add(std::string_view piece, int32_t id) {
  by_id_.push_back({id, static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(piece.size())});
  text_ += piece;
}

// Of a piece that occurs twice the last id counts.
void Vocabulary::FillSlots() {
  slots_.assign(std::bit_ceil(std::max(2 * by_id_.size(), kMinSlots)), Slot{0, 0});
  std::array<uint64_t, kAhead> hashes;
  const auto prepare = [&](size_t i) {
    if (i >= by_id_.size()) return;
    hashes[i % kAhead] = HashBytes(Text(by_id_[i]), seed_);
    __builtin_prefetch(&slots_[Home(slots_, hashes[i % kAhead])]);
  };
  for (size_t i = 0; i < kAhead; ++i) prepare(i);
  for (size_t i = 0; i < by_id_.size(); ++i) {
    const uint64_t hash = hashes[i % kAhead];
    Slot& slot = FindSlot(slots_, Text(by_id_[i]), hash);
    if (slot.entry != 0) {
      by_id_[slot.entry - 1].id = by_id_[i].id;
      by_id_[i].id = kOverwritten;
    } else {
      slot = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(i + 1)};
    }
    prepare(i + kAhead);
  }
}

void Vocabulary::DropOverwritten() {
  if (std::erase_if(by_id_, [](const Entry& entry) { return entry.id == kOverwritten; }) > 0) {
    FillSlots();
  }
}

void Vocabulary::SortById() {
  if (std::ranges::is_sorted(by_id_, {}, &Entry::id)) return;
  std::ranges::sort(by_id_, {}, &Entry::id);
  FillSlots();
}

DoubleArrayTrie Vocabulary::MakeTrie() const {
  std::vector<DoubleArrayTrie::Entry> keys;
  keys.reserve(by_id_.size());
  for (const Entry& entry : by_id_) keys.emplace_back(Text(entry), entry.id);
  return DoubleArrayTrie(std::move(keys));
}

size_t Vocabulary::longest_piece_bytes() const {
  size_t longest = 0;
  for (const Entry& entry : by_id_) longest = std::max<size_t>(longest, entry.size);
  return longest;
}

std::optional<int32_t> Vocabulary::Id(std::string_view piece) const {
  const Slot& slot = FindSlot(slots_, piece, HashBytes(piece, seed_));
  if (slot.entry == 0) return std::nullopt;
  return by_id_[slot.entry - 1].id;
}

void Vocabulary::FindIds(std::span<const std::string_view> pieces, std::span<int32_t> ids) const {
  std::array<uint64_t, kAhead> hashes;
  for (size_t first = 0; first < pieces.size(); first += kAhead) {
    const auto block = pieces.subspan(first, std::min(kAhead, pieces.size() - first));
    for (size_t i = 0; i < block.size(); ++i) {
      hashes[i] = HashBytes(block[i], seed_);
      __builtin_prefetch(&slots_[Home(slots_, hashes[i])]);
    }
    for (size_t i = 0; i < block.size(); ++i) {
      const uint32_t entry = slots_[Home(slots_, hashes[i])].entry;
      if (entry != 0) __builtin_prefetch(&by_id_[entry - 1]);
    }
    for (size_t i = 0; i < block.size(); ++i) {
      const uint32_t entry = slots_[Home(slots_, hashes[i])].entry;
      if (entry != 0) __builtin_prefetch(text_.data() + by_id_[entry - 1].begin);
    }
    for (size_t i = 0; i < block.size(); ++i) {
      const Slot& slot = FindSlot(slots_, block[i], hashes[i]);
      ids[first + i] = slot.entry == 0 ? -1 : by_id_[slot.entry - 1].id;
    }
  }
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

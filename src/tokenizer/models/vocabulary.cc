#include "tokenizer/models/vocabulary.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/strings.h"

namespace akin::tokenizer {
namespace {

struct Member {
  std::string_view piece;
  int32_t id;
};

// The members sorted by piece; of a piece that occurs twice the last one counts.
Result<std::vector<Member>> ReadMembers(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const auto values, json.AsObject());
  std::vector<Member> members;
  members.reserve(json.size());
  for (const formats::JsonValue value : values) {
    AKIN_TRY_ASSIGN(const int64_t id, value.AsIntIn(0, std::numeric_limits<int32_t>::max()));
    members.push_back({value.key(), static_cast<int32_t>(id)});
  }
  std::ranges::stable_sort(members, {}, &Member::piece);
  size_t kept = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    if (i + 1 < members.size() && members[i + 1].piece == members[i].piece) continue;
    members[kept++] = members[i];
  }
  members.resize(kept);
  return members;
}

}  // namespace

Result<Vocabulary> Vocabulary::Load(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::vector<Member> members, ReadMembers(json));
  std::string text;
  std::vector<Entry> by_id;
  std::vector<DoubleArrayTrie::Entry> keys;
  by_id.reserve(members.size());
  keys.reserve(members.size());
  for (const auto& [piece, id] : members) {
    by_id.push_back({id, static_cast<uint32_t>(text.size()), static_cast<uint32_t>(piece.size())});
    text += piece;
    keys.emplace_back(piece, id);
  }
  std::ranges::sort(by_id, {}, &Entry::id);
  const auto twice = std::ranges::adjacent_find(by_id, {}, &Entry::id);
  if (twice != by_id.end()) {
    return InvalidModel(json.Where(), " gives the id ", twice->id, " to two pieces, ",
                        std::string_view(text).substr(twice[0].begin, twice[0].size), " and ",
                        std::string_view(text).substr(twice[1].begin, twice[1].size));
  }
  return Vocabulary(std::move(text), std::move(by_id), DoubleArrayTrie(keys));
}

Vocabulary::Vocabulary(std::string text, std::vector<Entry> by_id, DoubleArrayTrie trie)
    : text_(std::move(text)), by_id_(std::move(by_id)), trie_(std::move(trie)) {}

std::optional<int32_t> Vocabulary::Id(std::string_view piece) const {
  const int32_t id = trie_.Find(piece);
  if (id == DoubleArrayTrie::kNoValue) return std::nullopt;
  return id;
}

std::optional<std::string_view> Vocabulary::Piece(int32_t id) const {
  const auto found = std::ranges::lower_bound(by_id_, id, {}, &Entry::id);
  if (found == by_id_.end() || found->id != id) return std::nullopt;
  return std::string_view(text_).substr(found->begin, found->size);
}

Result<int32_t> GetUnkId(const formats::JsonValue& model, const Vocabulary& vocab) {
  AKIN_TRY_ASSIGN(const formats::JsonValue unk, model.Get("unk_token"));
  AKIN_TRY_ASSIGN(const std::string_view token, unk.AsString());
  if (const std::optional<int32_t> id = vocab.Id(token)) return *id;
  return InvalidModel(unk.Where(), " is ", unk.Found(), ", which is not in the vocabulary");
}

}  // namespace akin::tokenizer

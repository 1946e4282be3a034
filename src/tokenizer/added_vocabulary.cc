#include "tokenizer/added_vocabulary.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tokenizer/models/vocabulary.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

bool EndsWith(std::string_view text, uint16_t classes) {
  return !text.empty() && unicode::Is(LastUtf8(text), classes);
}

bool BeginsWith(std::string_view text, uint16_t classes) {
  return !text.empty() && unicode::Is(DecodeUtf8(text.data()), classes);
}

bool StandsAlone(std::string_view text, ByteRange match) {
  return !EndsWith(text.substr(0, match.begin), unicode::kWord) &&
         !BeginsWith(text.substr(match.end), unicode::kWord);
}

// The begin of the white space before text[begin], no further back than `limit`.
uint32_t BlanksBefore(std::string_view text, uint32_t begin, uint32_t limit) {
  while (begin > limit && EndsWith(text.substr(0, begin), unicode::kWhitespace)) {
    do --begin;
    while (IsUtf8Continuation(text[begin]));
  }
  return std::max(begin, limit);
}

uint32_t BlanksAfter(std::string_view text, uint32_t end) {
  while (BeginsWith(text.substr(end), unicode::kWhitespace)) {
    end += static_cast<uint32_t>(Utf8Length(text[end]));
  }
  return end;
}

DoubleArrayTrie MakeTrie(const std::vector<std::string>& patterns) {
  std::vector<DoubleArrayTrie::Entry> entries;
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (!patterns[i].empty()) entries.emplace_back(patterns[i], static_cast<int32_t>(i));
  }
  std::ranges::sort(entries);  // Of equal patterns the first comes first and is kept.
  const auto same_key = [](const auto& a, const auto& b) { return a.first == b.first; };
  entries.erase(std::unique(entries.begin(), entries.end(), same_key), entries.end());
  return DoubleArrayTrie(entries);
}

Status CheckTokenLength(const formats::JsonValue& json, std::string_view token) {
  if (token.size() <= kMaxPieceBytes) return {};
  return UnsupportedModel(json.Where(), " has a token of ", token.size(), " bytes, at most ",
                          kMaxPieceBytes, " are supported");
}

Result<AddedToken> ReadAddedToken(const formats::JsonValue& json) {
  AddedToken token;
  AKIN_TRY_ASSIGN(const std::string_view content, GetString(json, "content"));
  AKIN_TRY(CheckTokenLength(json, content));
  token.content = content;
  AKIN_TRY(GetInt(json, "id", 0, std::numeric_limits<int32_t>::max()));
  AKIN_TRY_ASSIGN(token.single_word, GetBool(json, "single_word"));
  AKIN_TRY_ASSIGN(token.lstrip, GetBool(json, "lstrip"));
  AKIN_TRY_ASSIGN(token.rstrip, GetBool(json, "rstrip"));
  AKIN_TRY_ASSIGN(token.normalized, GetBool(json, "normalized"));
  AKIN_TRY_ASSIGN(token.special, GetBool(json, "special"));
  return token;
}

}  // namespace

TokenFinder::TokenFinder(std::vector<AddedToken> tokens, const std::vector<std::string>& patterns)
    : tokens_(std::move(tokens)), trie_(MakeTrie(patterns)) {
  int num_first_bytes = 0;
  for (const std::string& pattern : patterns) {
    if (pattern.empty()) continue;
    const auto first = static_cast<unsigned char>(pattern[0]);
    num_first_bytes += !std::exchange(begins_[first], true);
    only_first_ = first;
  }
  if (num_first_bytes != 1) only_first_.reset();
}

// The next place, from `begin` on, where a pattern may begin; text.size() if there is none.
size_t TokenFinder::NextCandidate(std::string_view text, size_t begin) const {
  if (only_first_) return std::min(text.find(static_cast<char>(*only_first_), begin), text.size());
  while (begin < text.size() && !begins_[static_cast<unsigned char>(text[begin])]) ++begin;
  return begin;
}

void TokenFinder::Cut(std::string_view text, std::vector<TextPart>& parts) const {
  parts.clear();
  const auto size = static_cast<uint32_t>(text.size());
  uint32_t done = 0;
  uint32_t blanks_end = 0;  // Of the last run of blanks behind a match.
  const auto add = [&parts](ByteRange range, int32_t id) {
    if (range.begin < range.end) parts.push_back({range, id});
  };
  for (size_t i = empty() ? size : NextCandidate(text, 0); i < size;) {
    const auto match = trie_.LongestMatch(DoubleArrayTrie::kRoot, text.substr(i));
    if (match.value == DoubleArrayTrie::kNoValue) {
      i = NextCandidate(text, i + 1);
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(match.value)];
    ByteRange range = {static_cast<uint32_t>(i), static_cast<uint32_t>(i + match.length)};
    i = NextCandidate(text, range.end);  // A match that is turned down uses up its text too.
    if (token.single_word && !StandsAlone(text, range)) continue;
    if (token.lstrip) range.begin = BlanksBefore(text, range.begin, done);
    if (token.rstrip) {
      // A token of blanks matches again and again inside of one run.
      if (range.end >= blanks_end) blanks_end = BlanksAfter(text, range.end);
      range.end = blanks_end;
    }
    if (done < range.begin) add({done, range.begin}, TextPart::kNoToken);
    add(range, token.id);
    done = range.end;
  }
  if (done < size) add({done, size}, TextPart::kNoToken);
}

Result<AddedVocabulary> AddedVocabulary::Load(const std::optional<formats::JsonValue>& json,
                                              const Model& model, const Normalizer* normalizer) {
  AddedVocabulary added;
  if (!json || json->is_null()) return added;
  AKIN_TRY_ASSIGN(const auto elements, json->AsArray());
  for (const formats::JsonValue element : elements) {
    AKIN_TRY_ASSIGN(AddedToken token, ReadAddedToken(element));
    AKIN_TRY(added.Add(std::move(token), model, element));
  }
  AKIN_TRY(added.BuildFinders(normalizer, *json));
  return added;
}

// A token that is there already takes the new properties and keeps its id.
Status AddedVocabulary::Add(AddedToken token, const Model& model, const formats::JsonValue& json) {
  if (token.content.empty()) return {};
  if (const auto known = by_content_.find(token.content); known != by_content_.end()) {
    AddedToken& there = tokens_[known->second];
    token.id = there.id;
    there = std::move(token);
    return {};
  }
  if (const auto id = model.TokenToId(token.content)) {
    token.id = *id;
  } else {
    const int64_t next = std::max<int64_t>(static_cast<int64_t>(model.vocab_size()), max_id_ + 1LL);
    if (next > std::numeric_limits<int32_t>::max()) {
      return InvalidModel(json.Where(), " leaves no id for ", token.content);
    }
    token.id = static_cast<int32_t>(next);
    ++num_new_tokens_;
  }
  max_id_ = std::max(max_id_, token.id);
  by_content_.emplace(token.content, tokens_.size());
  by_id_.emplace(token.id, tokens_.size());
  tokens_.push_back(std::move(token));
  return {};
}

Status AddedVocabulary::BuildFinders(const Normalizer* normalizer, const formats::JsonValue& json) {
  std::vector<AddedToken> plain, normalized;
  std::vector<std::string> plain_patterns, normalized_patterns;
  NormalizedText text;
  size_t total_bytes = 0;
  for (const AddedToken& token : tokens_) total_bytes += token.content.size();
  Budget budget(total_bytes);
  for (const AddedToken& token : tokens_) {
    if (!token.normalized) {
      plain.push_back(token);
      plain_patterns.push_back(token.content);
      continue;
    }
    text.Assign(token.content, 0, false, budget);
    if (normalizer != nullptr) normalizer->Normalize(text);
    Status status = text.status();
    if (status && !budget.Take(text.text().size())) status = budget.TooLong("normalizer");
    if (!status) {
      return InvalidModel(json.Where(), ": token ", token.content,
                          " cannot be normalized: ", status.error().message());
    }
    AKIN_TRY(CheckTokenLength(json, text.text()));
    normalized.push_back(token);
    normalized_patterns.emplace_back(text.text());
  }
  in_text_ = TokenFinder(std::move(plain), plain_patterns);
  in_normalized_ = TokenFinder(std::move(normalized), normalized_patterns);
  return {};
}

const AddedToken* AddedVocabulary::FindContent(std::string_view content) const {
  const auto found = by_content_.find(content);
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedVocabulary::FindId(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

}  // namespace akin::tokenizer

#include "tokenizer/pattern.h"

#include <utility>

namespace akin::tokenizer {

Result<Pattern> Pattern::Load(const formats::JsonValue& json) {
  Pattern pattern;
  AKIN_TRY(json.AsObject());
  if (const auto regex = json.Find("Regex")) {
    AKIN_TRY_ASSIGN(const std::string_view text, regex->AsString());
    pattern.known_ = FindKnownPattern(text);
    if (pattern.known_ != nullptr) return pattern;
    AKIN_TRY_ASSIGN(pattern.regex_, regex::Regex::Load(text, regex->Where()));
    return pattern;
  }
  AKIN_TRY_ASSIGN(const formats::JsonValue literal, json.Get("String"));
  AKIN_TRY_ASSIGN(const std::string_view text, literal.AsString());
  pattern.literal_ = text;
  if (text.empty()) {  // Matches between all characters.
    AKIN_TRY_ASSIGN(pattern.regex_, regex::Regex::Load("", literal.Where()));
  }
  return pattern;
}

Status Pattern::FindAll(std::string_view text, ByteRange range, size_t& steps_left,
                        std::vector<ByteRange>& matches) const {
  if (known_ != nullptr) return known_->Matches(text, range, matches), Status();
  const std::string_view part = text.substr(range.begin, range.end - range.begin);
  if (regex_) return regex_->FindAll(part, range.begin, steps_left, matches);
  for (size_t i = part.find(literal_); i != part.npos; i = part.find(literal_, i)) {
    const auto begin = static_cast<uint32_t>(range.begin + i);
    i += literal_.size();
    matches.push_back({begin, static_cast<uint32_t>(range.begin + i)});
  }
  return {};
}

}  // namespace akin::tokenizer

// What becomes of the characters at which a pre-tokenizer cuts.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/normalized_text.h"
#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

// For "the-final--countdown" cut at '-':
enum class SplitBehavior {
  kRemoved,             // the final countdown
  kIsolated,            // the - final - - countdown
  kMergedWithPrevious,  // the- final- - countdown
  kMergedWithNext,      // the -final - -countdown
  kContiguous,          // the - final -- countdown
};

Result<SplitBehavior> ParseSplitBehavior(const formats::JsonValue& json);

// Collects the parts of one piece, delimiter or not, and joins them as the behavior asks.
class PartCollector {
 public:
  PartCollector(SplitBehavior behavior, std::vector<ByteRange>& pieces)
      : behavior_(behavior), pieces_(pieces) {}

  // The next part, which begins where the one before ended and is not empty.
  void Add(ByteRange part, bool is_delimiter) {
    const bool previous = previous_is_delimiter_;
    const bool first = first_;
    previous_is_delimiter_ = is_delimiter;
    first_ = false;
    if (behavior_ == SplitBehavior::kRemoved && is_delimiter) return;
    if (!first && JoinsPrevious(is_delimiter, previous)) {
      pieces_.back().end = part.end;
    } else {
      pieces_.push_back(part);
    }
  }

 private:
  bool JoinsPrevious(bool is_delimiter, bool previous) const {
    switch (behavior_) {
      case SplitBehavior::kMergedWithPrevious: return is_delimiter && !previous;
      case SplitBehavior::kMergedWithNext: return !is_delimiter && previous;
      case SplitBehavior::kContiguous: return is_delimiter == previous;
      default: return false;
    }
  }

  SplitBehavior behavior_;
  std::vector<ByteRange>& pieces_;
  bool first_ = true;
  bool previous_is_delimiter_ = false;
};

// Cuts text[piece] at every character for which is_delimiter(char32_t) holds.
template <typename IsDelimiter>
void SplitAtCharacters(std::string_view text, ByteRange piece, SplitBehavior behavior,
                       std::vector<ByteRange>& pieces, IsDelimiter&& is_delimiter) {
  PartCollector parts(behavior, pieces);
  uint32_t begin = piece.begin;
  for (uint32_t i = piece.begin; i < piece.end;) {
    const auto end = i + static_cast<uint32_t>(Utf8Length(text[i]));
    if (is_delimiter(DecodeUtf8(&text[i]))) {
      if (begin < i) parts.Add({begin, i}, false);
      parts.Add({i, end}, true);
      begin = end;
    }
    i = end;
  }
  if (begin < piece.end) parts.Add({begin, piece.end}, false);
}

}  // namespace akin::tokenizer

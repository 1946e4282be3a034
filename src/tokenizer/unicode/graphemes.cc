// Extended grapheme clusters (Unicode Standard Annex 29, rules GB3 to GB999): what a reader takes
// for one character. The rules look at the two characters at a place and at a little of what stands
// before; that is kept as three small states, so that one pass is enough.
#include "base/utf8.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer::unicode {
namespace {

using enum GraphemeBreak;

bool IsExtend(GraphemeBreak c) {
  return c == kExtend || c == kConjunctExtend || c == kConjunctLinker;
}
bool BreaksAlways(GraphemeBreak c) { return c == kControl || c == kCr || c == kLf; }

// The characters of a cluster so far.
class Cluster {
 public:
  explicit Cluster(GraphemeBreak first) { Add(first); }

  bool Joins(GraphemeBreak next) const {
    if (last_ == kCr && next == kLf) return true;                                  // GB3
    if (BreaksAlways(last_) || BreaksAlways(next)) return false;                   // GB4, GB5
    if (IsExtend(next) || next == kZwj || next == kSpacingMark) return true;       // GB9, GB9a
    if (last_ == kPrepend) return true;                                            // GB9b
    if (next == kConjunctConsonant) return conjunct_ == Conjunct::kLinked;         // GB9c
    if (next == kExtendedPictographic) return pictograph_ == Pictograph::kJoined;  // GB11
    if (next == kRegionalIndicator) return odd_indicators_;                        // GB12, GB13
    return JoinsHangul(next);
  }

  void Add(GraphemeBreak c) {
    const bool extends = IsExtend(c);
    if (c == kConjunctConsonant) {
      conjunct_ = Conjunct::kConsonant;
    } else if (c == kConjunctLinker && conjunct_ != Conjunct::kNone) {
      conjunct_ = Conjunct::kLinked;
    } else if (c != kConjunctExtend && c != kZwj) {
      conjunct_ = Conjunct::kNone;
    }
    if (c == kExtendedPictographic) {
      pictograph_ = Pictograph::kSeen;
    } else if (c == kZwj && pictograph_ == Pictograph::kSeen) {
      pictograph_ = Pictograph::kJoined;
    } else if (!extends || pictograph_ == Pictograph::kJoined) {
      pictograph_ = Pictograph::kNone;
    }
    odd_indicators_ = c == kRegionalIndicator && !odd_indicators_;
    last_ = c;
  }

 private:
  bool JoinsHangul(GraphemeBreak next) const {
    switch (last_) {
      case kL: return next == kL || next == kV || next == kLv || next == kLvt;  // GB6
      case kLv:
      case kV: return next == kV || next == kT;  // GB7
      case kLvt:
      case kT: return next == kT;  // GB8
      default: return false;
    }
  }

  enum class Conjunct { kNone, kConsonant, kLinked };
  enum class Pictograph { kNone, kSeen, kJoined };
  GraphemeBreak last_ = kOther;
  Conjunct conjunct_ = Conjunct::kNone;
  Pictograph pictograph_ = Pictograph::kNone;
  bool odd_indicators_ = false;
};

}  // namespace

size_t GraphemeLength(std::string_view text) {
  size_t length = Utf8Length(text[0]);
  Cluster cluster(GraphemeBreakOf(DecodeUtf8(text.data())));
  while (length < text.size()) {
    const GraphemeBreak next = GraphemeBreakOf(DecodeUtf8(text.data() + length));
    if (!cluster.Joins(next)) break;
    cluster.Add(next);
    length += Utf8Length(text[length]);
  }
  return length;
}

}  // namespace akin::tokenizer::unicode

#include <algorithm>
#include <utility>

#include "tokenizer/pattern.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/pre_tokenizers/split_behavior.h"

namespace akin::tokenizer {
namespace {

// Cuts at the matches of a pattern or, inverted, at what stands between them.
class Split final : public PreTokenizer {
 public:
  Split(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void PreTokenize(NormalizedText& text, std::vector<ByteRange>& pieces,
                   bool /*raw_bytes*/) const override {
    CutPieces(pieces, [&](ByteRange piece) { Cut(text, piece, pieces); });
  }

 private:
  static constexpr size_t kKeptMatches = size_t{1} << 16;

  void Cut(NormalizedText& text, ByteRange piece, std::vector<ByteRange>& pieces) const {
    const size_t first = pieces.size();
    if (Status found = pattern_.FindAll(text.text(), piece, text.budget().steps_left, pieces);
        !found) {
      return text.Fail(found.error());
    }
    if (IsTiling(piece, first, pieces)) return;
    thread_local std::vector<ByteRange> matches;
    matches.assign(pieces.begin() + static_cast<std::ptrdiff_t>(first), pieces.end());
    pieces.resize(first);
    Join(piece, matches, pieces);
    if (matches.capacity() > kKeptMatches) std::vector<ByteRange>().swap(matches);
  }

  // Whether the matches, as they are, are the parts: they fill the piece and stay apart.
  bool IsTiling(ByteRange piece, size_t first, const std::vector<ByteRange>& matches) const {
    if (behavior_ == SplitBehavior::kRemoved ? !invert_ : behavior_ != SplitBehavior::kIsolated) {
      return false;
    }
    if (pattern_.known() == nullptr) return false;
    if (invert_ && behavior_ == SplitBehavior::kRemoved) return true;  // Only matches are kept.
    uint32_t end = piece.begin;
    for (size_t i = first; i < matches.size(); ++i) {
      if (matches[i].begin != end) return false;
      end = matches[i].end;
    }
    return end == piece.end;
  }

  void Join(ByteRange piece, const std::vector<ByteRange>& matches,
            std::vector<ByteRange>& pieces) const {
    const size_t first = pieces.size();
    PartCollector parts(behavior_, pieces);
    uint32_t done = piece.begin;
    for (const ByteRange match : matches) {
      if (done < match.begin) parts.Add({done, match.begin}, invert_);
      parts.Add(match, !invert_);
      done = match.end;
    }
    if (done < piece.end) parts.Add({done, piece.end}, invert_);
    // Empty matches take part in the joining and then vanish.
    const auto begin = pieces.begin() + static_cast<std::ptrdiff_t>(first);
    const auto is_empty = [](ByteRange part) { return part.begin == part.end; };
    pieces.erase(std::remove_if(begin, pieces.end(), is_empty), pieces.end());
  }

  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadSplit(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue pattern_json, json.Get("pattern"));
  AKIN_TRY_ASSIGN(Pattern pattern, Pattern::Load(pattern_json));
  AKIN_TRY_ASSIGN(const formats::JsonValue behavior_json, json.Get("behavior"));
  AKIN_TRY_ASSIGN(const SplitBehavior behavior, ParseSplitBehavior(behavior_json));
  AKIN_TRY_ASSIGN(const bool invert, GetBool(json, "invert"));
  return MakeStage<PreTokenizer, Split>(std::move(pattern), behavior, invert);
}

}  // namespace akin::tokenizer

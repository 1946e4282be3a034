#include <string>
#include <utility>
#include <vector>

#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/pattern.h"

namespace akin::tokenizer {
namespace {

// Replaces every match of a pattern, from left to right without overlap. The new text belongs to
// the last character before its end.
class Replace final : public Normalizer {
 public:
  Replace(Pattern pattern, std::string_view content)
      : pattern_(std::move(pattern)), content_(content) {}

  void Normalize(NormalizedText& text) const override {
    const ByteRange all = {0, static_cast<uint32_t>(text.text().size())};
    thread_local std::vector<ByteRange> matches;
    matches.clear();
    if (all.end == 0) return;  // The reference finds nothing there, not even an empty match.
    if (Status found = pattern_.FindAll(text.text(), all, text.budget().steps_left, matches);
        !found) {
      return text.Fail(found.error());
    }
    if (!matches.empty()) Write(matches, text);
    if (matches.capacity() > kKeptMatches) std::vector<ByteRange>().swap(matches);
  }

 private:
  static constexpr size_t kKeptMatches = size_t{1} << 16;

  void Write(const std::vector<ByteRange>& matches, NormalizedText& text) const {
    Rewriter out(text, "Replace");
    for (const ByteRange match : matches) {
      out.Copy(match.begin - out.taken());
      out.Take(match.end - match.begin);
      out.Put(content_);
      if (out.overflowed()) break;
    }
    out.Copy(out.remaining());
    out.Finish();
  }

  Pattern pattern_;
  std::string content_;
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadReplace(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue pattern_json, json.Get("pattern"));
  AKIN_TRY_ASSIGN(Pattern pattern, Pattern::Load(pattern_json));
  AKIN_TRY_ASSIGN(const std::string_view content, GetString(json, "content"));
  return MakeStage<Normalizer, Replace>(std::move(pattern), content);
}

}  // namespace akin::tokenizer

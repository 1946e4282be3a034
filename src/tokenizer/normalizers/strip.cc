#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

size_t LeadingBlanks(std::string_view text) {
  size_t i = 0;
  while (i < text.size() && unicode::Is(DecodeUtf8(&text[i]), unicode::kWhitespace)) {
    i += Utf8Length(text[i]);
  }
  return i;
}

size_t TrailingBlanks(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && unicode::Is(LastUtf8(text.substr(0, end)), unicode::kWhitespace)) {
    do --end;
    while (IsUtf8Continuation(text[end]));
  }
  return text.size() - end;
}

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  void Normalize(NormalizedText& text) const override {
    const size_t leading = left_ ? LeadingBlanks(text.text()) : 0;
    const size_t trailing = right_ ? TrailingBlanks(text.text().substr(leading)) : 0;
    if (leading + trailing == 0) return;
    Rewriter out(text, "Strip");
    out.Take(leading);
    out.Copy(out.remaining() - trailing);
    out.Finish();
  }

 private:
  bool left_, right_;
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadStrip(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const bool left, GetBool(json, "strip_left"));
  AKIN_TRY_ASSIGN(const bool right, GetBool(json, "strip_right"));
  return MakeStage<Normalizer, Strip>(left, right);
}

}  // namespace akin::tokenizer

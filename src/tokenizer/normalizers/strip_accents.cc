#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

// Removes the marks of the text as it is; it does not decompose.
class StripAccents final : public Normalizer {
 public:
  void Normalize(NormalizedText& text) const override { RemoveClasses(unicode::kMark, text); }
};

}  // namespace

void RemoveClasses(uint16_t classes, NormalizedText& text) {
  Rewriter out(text, "StripAccents");
  while (!out.done()) {
    if (unicode::Is(DecodeUtf8(out.cursor()), classes)) {
      out.TakeChar();
    } else {
      out.CopyChar();
    }
  }
  out.Finish();
}

Result<std::unique_ptr<const Normalizer>> LoadStripAccents(const formats::JsonValue&) {
  return MakeStage<Normalizer, StripAccents>();
}

}  // namespace akin::tokenizer

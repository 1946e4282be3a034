#include "base/utf8.h"
#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {
namespace {

// The lists of the reference, which are no classes of Unicode.
bool IsRemoved(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}
bool IsBlank(char32_t c) {
  return c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

// Removes some control characters and makes a blank of others.
class Nmt final : public Normalizer {
 public:
  void Normalize(NormalizedText& text) const override {
    Rewriter out(text, "Nmt");
    while (!out.done()) {
      const char32_t c = DecodeUtf8(out.cursor());
      if (IsBlank(c)) {
        out.TakeChar();
        out.Put(U' ');
      } else if (IsRemoved(c)) {
        out.TakeChar();
      } else {
        out.CopyChar();
      }
    }
    out.Finish();
  }
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadNmt(const formats::JsonValue&) {
  return MakeStage<Normalizer, Nmt>();
}

}  // namespace akin::tokenizer

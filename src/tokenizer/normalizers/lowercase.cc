#include <utility>

#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

class Lowercase final : public Normalizer {
 public:
  void Normalize(NormalizedText& text) const override { LowercaseText(text); }
};

class LowercaseThen final : public Normalizer {
 public:
  explicit LowercaseThen(std::unique_ptr<const Normalizer> next) : next_(std::move(next)) {}
  void Normalize(NormalizedText& text) const override {
    LowercaseText(text);
    if (text.status()) next_->Normalize(text);
  }

 private:
  std::unique_ptr<const Normalizer> next_;
};

}  // namespace

// Per character: no rule for a final sigma, and U+0130 becomes two characters.
void LowercaseText(NormalizedText& text) {
  Rewriter out(text, "Lowercase");
  while (!out.done()) {
    const std::u32string_view lower = unicode::Lower(DecodeUtf8(out.cursor()));
    if (lower.empty()) {
      out.CopyChar();
      continue;
    }
    out.TakeChar();
    for (const char32_t c : lower) out.Put(c);
  }
  out.Finish();
}

Result<std::unique_ptr<const Normalizer>> LoadLowercase(const formats::JsonValue&) {
  return MakeStage<Normalizer, Lowercase>();
}

std::unique_ptr<const Normalizer> LowercaseFirst(std::unique_ptr<const Normalizer> normalizer) {
  if (normalizer == nullptr) return std::make_unique<Lowercase>();
  return std::make_unique<LowercaseThen>(std::move(normalizer));
}

}  // namespace akin::tokenizer

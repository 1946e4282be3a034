#include <string>

#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {
namespace {

// Puts a text before every piece that is not empty. All of it, and the first character of the
// piece, belong to that character.
class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string_view prefix) : prefix_(prefix) {}

  void Normalize(NormalizedText& text) const override {
    if (text.text().empty() || prefix_.empty()) return;
    Rewriter out(text, "Prepend");
    const char32_t first = DecodeUtf8(out.cursor());
    out.TakeChar();
    out.Put(prefix_);
    out.Put(first);
    out.Copy(out.remaining());
    out.Finish();
  }

 private:
  std::string prefix_;
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadPrepend(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view prefix, GetString(json, "prepend"));
  return MakeStage<Normalizer, Prepend>(prefix);
}

}  // namespace akin::tokenizer

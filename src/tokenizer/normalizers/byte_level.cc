#include "base/utf8.h"
#include "tokenizer/byte_characters.h"
#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {
namespace {

// Writes every byte as a visible character; all bytes of a character belong to it.
class ByteLevelNormalizer final : public Normalizer {
 public:
  void Normalize(NormalizedText& text) const override {
    Rewriter out(text, "ByteLevel");
    while (!out.done()) {
      const char* const c = out.cursor();
      const size_t length = Utf8Length(*c);
      out.Take(length);
      for (size_t i = 0; i < length; ++i) {
        out.Put(kByteCharacters[static_cast<unsigned char>(c[i])]);
      }
    }
    out.Finish();
  }
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadByteLevelNormalizer(const formats::JsonValue&) {
  return MakeStage<Normalizer, ByteLevelNormalizer>();
}

}  // namespace akin::tokenizer

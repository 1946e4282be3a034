#include "base/utf8.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

// Cuts where the script changes. Hiragana and Katakana count as Han; blanks and unassigned
// characters are of any script, and are dropped at the beginning of a piece, as the reference does.
class UnicodeScripts final : public Cutter {
 public:
  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    constexpr uint8_t kNone = 0xFF;
    uint8_t last = kNone;  // Script of the last character that has one.
    uint32_t begin = piece.end;
    for (uint32_t i = piece.begin; i < piece.end; i += static_cast<uint32_t>(Utf8Length(text[i]))) {
      const uint8_t script = unicode::Script(DecodeUtf8(&text[i]));
      if (script == unicode::kAnyScript) continue;
      if (script != last) {
        if (begin < i) pieces.push_back({begin, i});
        begin = i;
      }
      last = script;
    }
    if (begin < piece.end) pieces.push_back({begin, piece.end});
  }
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadUnicodeScripts(const formats::JsonValue&) {
  return MakeStage<PreTokenizer, UnicodeScripts>();
}

}  // namespace akin::tokenizer

#include <array>

#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

enum class Kind : uint8_t { kWord, kBlank, kPunctuation };

Kind KindOf(char32_t c) {
  const uint16_t classes = unicode::Classes(c);
  return classes & unicode::kWhitespace    ? Kind::kBlank
         : classes & unicode::kPunctuation ? Kind::kPunctuation
                                           : Kind::kWord;
}

// Cuts at white space, which is dropped, and before and after every punctuation character.
class BertPreTokenizer final : public Cutter {
 public:
  BertPreTokenizer() {
    for (char32_t c = 0; c < 128; ++c) ascii_[c] = KindOf(c);
  }

  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    uint32_t begin = piece.begin;
    for (uint32_t i = piece.begin; i < piece.end;) {
      uint32_t end = i + 1;
      const auto byte = static_cast<unsigned char>(text[i]);
      Kind kind;
      if (byte < 0x80) {
        kind = ascii_[byte];
      } else {
        end = i + static_cast<uint32_t>(Utf8Length(text[i]));
        kind = KindOf(DecodeUtf8(&text[i]));
      }
      if (kind != Kind::kWord) {
        if (begin < i) pieces.push_back({begin, i});
        if (kind == Kind::kPunctuation) pieces.push_back({i, end});
        begin = end;
      }
      i = end;
    }
    if (begin < piece.end) pieces.push_back({begin, piece.end});
  }

 private:
  std::array<Kind, 128> ascii_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadBertPreTokenizer(const formats::JsonValue&) {
  return MakeStage<PreTokenizer, BertPreTokenizer>();
}

}  // namespace akin::tokenizer

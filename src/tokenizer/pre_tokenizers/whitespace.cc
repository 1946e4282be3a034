#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

// The matches of \w+|[^\w\s]+: runs of word characters, and runs of what is neither word nor blank.
class Whitespace final : public Cutter {
 public:
  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    constexpr uint16_t kNone = 0xFFFF;
    uint16_t run = kNone;  // The class that the characters of the last piece share.
    for (uint32_t i = piece.begin; i < piece.end;) {
      const auto end = i + static_cast<uint32_t>(Utf8Length(text[i]));
      const uint16_t found =
          unicode::Classes(DecodeUtf8(&text[i])) & (unicode::kWord | unicode::kWhitespace);
      if (found == unicode::kWhitespace) {
        run = kNone;
      } else if (found == run) {
        pieces.back().end = end;
      } else {
        pieces.push_back({i, end});
        run = found;
      }
      i = end;
    }
  }
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadWhitespace(const formats::JsonValue&) {
  return MakeStage<PreTokenizer, Whitespace>();
}

}  // namespace akin::tokenizer

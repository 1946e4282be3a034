#include "base/utf8.h"
#include "tokenizer/byte_characters.h"
#include "tokenizer/pre_tokenizers/known_patterns.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace akin::tokenizer {
namespace {

struct ByteLevelOptions {
  bool add_prefix_space, use_regex;
};

// Puts a blank before each piece that begins with none, cuts by GPT-2's regular expression, and
// writes every byte as a visible character. The model may read the bytes themselves instead: then
// nothing is rewritten but for that blank. (trim_offsets is the post-processor's.)
class ByteLevel final : public PreTokenizer {
 public:
  explicit ByteLevel(const ByteLevelOptions& options) : options_(options) {}

  void PreTokenize(NormalizedText& text, std::vector<ByteRange>& pieces,
                   bool raw_bytes) const override {
    if (options_.add_prefix_space) AddPrefixSpace(text, pieces);
    if (options_.use_regex) {
      const KnownPattern& gpt2 = Gpt2Pattern();
      CutPieces(pieces, [&](ByteRange piece) { gpt2.Matches(text.text(), piece, pieces); });
    }
    if (!raw_bytes) MapBytes(text, pieces);
  }

  bool rewrites(bool raw_bytes) const override { return !raw_bytes || options_.add_prefix_space; }
  bool maps_bytes() const override { return true; }

 private:
  static void AddPrefixSpace(NormalizedText& text, std::vector<ByteRange>& pieces) {
    RewritePieces(text, pieces, "ByteLevel", [&](Rewriter& out, ByteRange piece) {
      size_t size = piece.end - piece.begin;
      if (*out.cursor() != ' ') {  // The blank belongs to the first character.
        const char32_t first = DecodeUtf8(out.cursor());
        const size_t length = Utf8Length(*out.cursor());
        out.Take(length);
        out.Put(U' ');
        out.Put(first);
        size -= length;
      }
      out.Copy(size);
    });
  }

  static void MapBytes(NormalizedText& text, std::vector<ByteRange>& pieces) {
    RewritePieces(text, pieces, "ByteLevel", [](Rewriter& out, ByteRange piece) {
      for (uint32_t left = piece.end - piece.begin; left > 0;) {
        const char* const c = out.cursor();
        const size_t length = Utf8Length(*c);
        out.Take(length);  // All bytes of a character belong to it.
        for (size_t i = 0; i < length; ++i) {
          out.Put(kByteCharacters[static_cast<unsigned char>(c[i])]);
        }
        left -= static_cast<uint32_t>(length);
      }
    });
  }

  ByteLevelOptions options_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadByteLevel(const formats::JsonValue& json) {
  ByteLevelOptions options{};
  AKIN_TRY_ASSIGN(options.add_prefix_space, GetBool(json, "add_prefix_space"));
  AKIN_TRY(GetBool(json, "trim_offsets"));
  options.use_regex = true;  // Older files do not have it.
  if (const auto value = json.Find("use_regex")) {
    AKIN_TRY_ASSIGN(options.use_regex, value->AsBool());
  }
  return MakeStage<PreTokenizer, ByteLevel>(options);
}

}  // namespace akin::tokenizer

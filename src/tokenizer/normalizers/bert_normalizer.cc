// BERT's clean-up: control characters vanish, white space becomes U+0020, Chinese characters get a
// blank on both sides, accents and case go.
//
// The reference runs these as four passes over the text. Done one character after the other they
// give the same, except where NFD moves a mark that is then kept; there, and only there, the passes
// are really run one after the other (NormalizeInPasses).
#include <array>
#include <optional>

#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

struct BertOptions {
  bool clean_text, handle_chinese_chars, strip_accents, lowercase;
};

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const BertOptions& options);

  void Normalize(NormalizedText& text) const override {
    if (!NormalizeInOnePass(text)) NormalizeInPasses(text);
  }

 private:
  bool NormalizeInOnePass(NormalizedText& text) const;
  void NormalizeInPasses(NormalizedText& text) const;
  void CopyAscii(Rewriter& out) const;
  void Map(char32_t c, uint16_t classes, Rewriter& out) const;
  void PutMapped(char32_t c, Rewriter& out) const;

  BertOptions options_;
  uint16_t changed_ = 0;                // Classes of characters that do not stay as they are.
  std::array<char, 128> ascii_ = {};    // What an ASCII character becomes,
  std::array<bool, 128> removed_ = {};  // unless it vanishes.
};

BertNormalizer::BertNormalizer(const BertOptions& options) : options_(options) {
  using namespace unicode;
  if (options.clean_text) changed_ |= kBertRemoved | kBertBlank;
  if (options.handle_chinese_chars) changed_ |= kBertChinese;
  if (options.strip_accents) changed_ |= kHasNfd | kBertMark | kBertReordered;
  if (options.lowercase) changed_ |= kHasLower;
  for (char32_t c = 0; c < 128; ++c) {
    const uint16_t classes = Classes(c) & changed_;
    removed_[c] = (classes & kBertRemoved) != 0;
    ascii_[c] = static_cast<char>(classes & kBertBlank  ? ' '
                                  : classes & kHasLower ? Lower(c)[0]
                                                        : c);
  }
}

// Copies ASCII up to the next character that is not, or that vanishes.
void BertNormalizer::CopyAscii(Rewriter& out) const {
  const char* const source = out.cursor();
  const size_t size = out.remaining();
  char* const target = out.Reserve(size);
  size_t i = 0;
  for (; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(source[i]);
    if (byte >= 0x80 || removed_[byte]) break;
    target[i] = ascii_[byte];
  }
  out.Commit(i);
}

bool BertNormalizer::NormalizeInOnePass(NormalizedText& text) const {
  Rewriter out(text, "BertNormalizer");
  while (true) {
    CopyAscii(out);
    if (out.done()) break;
    const char32_t c = DecodeUtf8(out.cursor());
    const uint16_t classes = unicode::Classes(c) & changed_;
    if (classes == 0) {
      out.CopyChar();
    } else if (classes & unicode::kBertReordered) {
      return false;
    } else {
      Map(c, classes, out);
    }
  }
  out.Finish();
  return true;
}

void BertNormalizer::Map(char32_t c, uint16_t classes, Rewriter& out) const {
  out.TakeChar();
  if (classes & unicode::kBertRemoved) return;
  if (classes & unicode::kBertBlank) return out.Put(U' ');
  const bool chinese = (classes & unicode::kBertChinese) != 0;
  if (chinese) out.Put(U' ');
  if (classes & unicode::kHasNfd) {
    unicode::Decomposition storage;
    for (const char32_t part : unicode::Decompose(c, false, storage)) PutMapped(part, out);
  } else {
    PutMapped(c, out);
  }
  if (chinese) out.Put(U' ');
}

// Writes `c`, which has no decomposition, without accents and case.
void BertNormalizer::PutMapped(char32_t c, Rewriter& out) const {
  const uint16_t classes = unicode::Classes(c) & changed_;
  if (classes & unicode::kBertMark) return;
  if ((classes & unicode::kHasLower) == 0) return out.Put(c);
  for (const char32_t lower : unicode::Lower(c)) out.Put(lower);
}

// The passes of the reference. The first two of them change no character that NFD looks at.
void BertNormalizer::NormalizeInPasses(NormalizedText& text) const {
  BertOptions first = options_;
  first.strip_accents = first.lowercase = false;
  BertNormalizer(first).NormalizeInOnePass(text);
  DecomposeText(false, text);
  RemoveClasses(unicode::kBertMark, text);
  if (options_.lowercase) LowercaseText(text);
}

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadBertNormalizer(const formats::JsonValue& json) {
  BertOptions options;
  AKIN_TRY_ASSIGN(options.clean_text, GetBool(json, "clean_text"));
  AKIN_TRY_ASSIGN(options.handle_chinese_chars, GetBool(json, "handle_chinese_chars"));
  AKIN_TRY_ASSIGN(options.lowercase, GetBool(json, "lowercase"));
  options.strip_accents = options.lowercase;  // What null stands for.
  const std::optional<formats::JsonValue> strip_accents = json.Find("strip_accents");
  if (strip_accents && !strip_accents->is_null()) {
    AKIN_TRY_ASSIGN(options.strip_accents, strip_accents->AsBool());
  }
  return MakeStage<Normalizer, BertNormalizer>(options);
}

}  // namespace akin::tokenizer

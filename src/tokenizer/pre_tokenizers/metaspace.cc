#include <string>

#include "base/utf8.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/pre_tokenizers/split_behavior.h"

namespace akin::tokenizer {
namespace {

enum class PrependScheme { kFirst, kNever, kAlways };

// Writes every U+0020 as another character ("▁"), puts one before a piece, and cuts before each.
class Metaspace final : public PreTokenizer {
 public:
  Metaspace(char32_t replacement, PrependScheme scheme, bool split)
      : replacement_(replacement), scheme_(scheme), split_(split) {
    char bytes[kMaxUtf8Bytes];
    replacement_text_.assign(bytes, EncodeUtf8(replacement, bytes));
  }

  void PreTokenize(NormalizedText& text, std::vector<ByteRange>& pieces,
                   bool /*raw_bytes*/) const override {
    RewritePieces(text, pieces, "Metaspace", [&](Rewriter& out, ByteRange piece) {
      const std::string_view source = text.text().substr(piece.begin, piece.end - piece.begin);
      WritePiece(source, Prepends(text, piece.begin, source), out);
    });
    if (!split_ || !text.status()) return;
    CutPieces(pieces, [&](ByteRange piece) { Cut(text.text(), piece, pieces); });
  }

  bool rewrites(bool /*raw_bytes*/) const override { return true; }

 private:
  // "First" is the piece that comes from where the caller's text begins.
  bool Prepends(const NormalizedText& text, uint32_t begin, std::string_view piece) const {
    if (piece[0] == ' ' || piece.starts_with(replacement_text_)) return false;
    return scheme_ == PrependScheme::kAlways ||
           (scheme_ == PrependScheme::kFirst && text.IsFromStart(begin));
  }

  void WritePiece(std::string_view piece, bool prepend, Rewriter& out) const {
    size_t done = 0;
    if (prepend) {  // What is put before belongs to the first character.
      const char32_t first = DecodeUtf8(piece.data());
      done = Utf8Length(piece[0]);
      out.Take(done);
      out.Put(replacement_);
      out.Put(first);
    }
    for (size_t blank = piece.find(' ', done); blank != piece.npos; blank = piece.find(' ', done)) {
      out.Copy(blank - done);
      out.Take(1);
      out.Put(replacement_);
      done = blank + 1;
    }
    out.Copy(piece.size() - done);
  }

  void Cut(std::string_view text, ByteRange piece, std::vector<ByteRange>& pieces) const {
    const std::string_view rest = text.substr(0, piece.end);
    uint32_t begin = piece.begin;
    while (begin < piece.end) {
      const size_t next = rest.find(replacement_text_, begin + 1);
      const auto end = next == rest.npos ? piece.end : static_cast<uint32_t>(next);
      pieces.push_back({begin, end});
      begin = end;
    }
  }

  char32_t replacement_;
  std::string replacement_text_;
  PrependScheme scheme_;
  bool split_;
};

Result<PrependScheme> ParsePrependScheme(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view name, json.AsString());
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  if (name == "never") return PrependScheme::kNever;
  return InvalidModel(json.Where(), " is ", json.Found(), ", expected always, first or never");
}

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadMetaspace(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const char32_t replacement, GetChar(json, "replacement"));
  PrependScheme scheme = PrependScheme::kAlways;
  if (const auto value = json.Find("prepend_scheme")) {
    AKIN_TRY_ASSIGN(scheme, ParsePrependScheme(*value));
  }
  bool split = true;
  if (const auto value = json.Find("split"); value && !value->is_null()) {
    AKIN_TRY_ASSIGN(split, value->AsBool());
  }
  // Files from before prepend_scheme; the reference refuses a contradiction, and "always" stands
  // for a scheme that is not there.
  if (const auto value = json.Find("add_prefix_space"); value && !value->is_null()) {
    AKIN_TRY_ASSIGN(const bool add, value->AsBool());
    if (!add && scheme != PrependScheme::kNever) {
      return InvalidModel(value->Where(), " is false, but prepend_scheme is not never");
    }
  }
  return MakeStage<PreTokenizer, Metaspace>(replacement, scheme, split);
}

}  // namespace akin::tokenizer

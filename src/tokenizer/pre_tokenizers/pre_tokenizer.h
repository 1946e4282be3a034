// The "pre_tokenizer" of tokenizer.json: cuts normalized text into pieces, each of which the model
// turns into tokens on its own.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "tokenizer/normalized_text.h"
#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

// Immutable; PreTokenize may be called from many threads.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Cuts each of `pieces` of text.text() into parts, in order and never empty, which take its
  // place. Some kinds also rewrite the text; then what stands outside of the pieces is dropped, and
  // the pieces are of the new text. With `raw_bytes` the last mapping of bytes to visible
  // characters is left to the model (maps_bytes). Errors are left in `text` (NormalizedText::Fail).
  virtual void PreTokenize(NormalizedText& text, std::vector<ByteRange>& pieces,
                           bool raw_bytes) const = 0;
  // Whether PreTokenize may rewrite the text.
  virtual bool rewrites(bool /*raw_bytes*/) const { return false; }
  // Whether the last thing done is to write every byte as a character of its own, as ByteLevel
  // does. A model that knows its tokens as bytes can do without.
  virtual bool maps_bytes() const { return false; }
};

// A pre-tokenizer that looks at one piece at a time and changes nothing.
class Cutter : public PreTokenizer {
 public:
  void PreTokenize(NormalizedText& text, std::vector<ByteRange>& pieces,
                   bool raw_bytes) const final;
  // Appends the parts of text[piece.begin, piece.end), in order and never empty, to `pieces`.
  virtual void Split(std::string_view text, ByteRange piece,
                     std::vector<ByteRange>& pieces) const = 0;
};

// Calls cut(piece) for each of `pieces`, which appends its parts; they replace it.
template <typename Cut>
void CutPieces(std::vector<ByteRange>& pieces, Cut&& cut) {
  if (pieces.size() == 1) {
    const ByteRange piece = pieces[0];
    pieces.clear();
    return cut(piece);
  }
  const size_t end = pieces.size();
  for (size_t i = 0; i < end; ++i) cut(ByteRange(pieces[i]));
  pieces.erase(pieces.begin(), pieces.begin() + static_cast<std::ptrdiff_t>(end));
}

// Calls write(out, piece) for each of `pieces` of `text`, which takes all of the piece from `out`.
// When `stage` writes too much, no pieces are left.
template <typename Write>
void RewritePieces(NormalizedText& text, std::vector<ByteRange>& pieces, std::string_view stage,
                   Write&& write) {
  Rewriter out(text, stage);
  for (ByteRange& piece : pieces) {
    out.Take(piece.begin - out.taken());
    const auto begin = static_cast<uint32_t>(out.written());
    write(out, ByteRange(piece));
    piece = {begin, static_cast<uint32_t>(out.written())};
  }
  out.Finish();
  if (!text.status()) pieces.clear();
}

// The pre-tokenizer that `json` describes, an object with a "type".
StageLoader<PreTokenizer> LoadPreTokenizer;

// One loader a type, defined in the type's own file; pre_tokenizer.cc has the table.
StageLoader<PreTokenizer> LoadBertPreTokenizer, LoadByteLevel, LoadCharDelimiterSplit, LoadDigits,
    LoadFixedLength, LoadMetaspace, LoadPunctuation, LoadPreTokenizerSequence, LoadSplit,
    LoadUnicodeScripts, LoadWhitespace, LoadWhitespaceSplit;

}  // namespace akin::tokenizer

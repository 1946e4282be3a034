#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<PreTokenizer> kPreTokenizers[] = {
    {"BertPreTokenizer", LoadBertPreTokenizer},
    {"ByteLevel", LoadByteLevel},
    {"CharDelimiterSplit", LoadCharDelimiterSplit},
    {"Digits", LoadDigits},
    {"FixedLength", LoadFixedLength},
    {"Metaspace", LoadMetaspace},
    {"Punctuation", LoadPunctuation},
    {"Sequence", LoadPreTokenizerSequence},
    {"Split", LoadSplit},
    {"UnicodeScripts", LoadUnicodeScripts},
    {"Whitespace", LoadWhitespace},
    {"WhitespaceSplit", LoadWhitespaceSplit},
};

}  // namespace

void Cutter::PreTokenize(NormalizedText& text, std::vector<ByteRange>& pieces,
                         bool /*raw_bytes*/) const {
  CutPieces(pieces, [&](ByteRange piece) { Split(text.text(), piece, pieces); });
}

Result<std::unique_ptr<const PreTokenizer>> LoadPreTokenizer(const formats::JsonValue& json) {
  return LoadStage<PreTokenizer>(kPreTokenizers, json);
}

}  // namespace akin::tokenizer

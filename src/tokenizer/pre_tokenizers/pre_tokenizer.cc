#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<PreTokenizer> kPreTokenizers[] = {
    {"BertPreTokenizer", LoadBertPreTokenizer},
    {"Digits", LoadDigits},
    {"Punctuation", LoadPunctuation},
    {"Sequence", LoadPreTokenizerSequence},
    {"Whitespace", LoadWhitespace},
    {"WhitespaceSplit", LoadWhitespaceSplit},
    {"ByteLevel", nullptr},
    {"CharDelimiterSplit", nullptr},
    {"FixedLength", nullptr},
    {"Metaspace", nullptr},
    {"Split", nullptr},
    {"UnicodeScripts", nullptr},
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadPreTokenizer(const formats::JsonValue& json) {
  return LoadStage<PreTokenizer>(kPreTokenizers, json);
}

}  // namespace akin::tokenizer

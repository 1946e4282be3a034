#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/pre_tokenizers/split_behavior.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

class WhitespaceSplit final : public Cutter {
 public:
  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    SplitAtCharacters(text, piece, SplitBehavior::kRemoved, pieces,
                      [](char32_t c) { return unicode::Is(c, unicode::kWhitespace); });
  }
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadWhitespaceSplit(const formats::JsonValue&) {
  return MakeStage<PreTokenizer, WhitespaceSplit>();
}

}  // namespace akin::tokenizer

#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/pre_tokenizers/split_behavior.h"

namespace akin::tokenizer {
namespace {

// Cuts at one character, which is dropped.
class CharDelimiterSplit final : public Cutter {
 public:
  explicit CharDelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}

  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    SplitAtCharacters(text, piece, SplitBehavior::kRemoved, pieces,
                      [this](char32_t c) { return c == delimiter_; });
  }

 private:
  char32_t delimiter_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadCharDelimiterSplit(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const char32_t delimiter, GetChar(json, "delimiter"));
  return MakeStage<PreTokenizer, CharDelimiterSplit>(delimiter);
}

}  // namespace akin::tokenizer

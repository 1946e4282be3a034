#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/pre_tokenizers/split_behavior.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

// Cuts at ASCII's punctuation and at Unicode's P*; symbols outside ASCII are no punctuation.
class Punctuation final : public Cutter {
 public:
  explicit Punctuation(SplitBehavior behavior) : behavior_(behavior) {}

  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    SplitAtCharacters(text, piece, behavior_, pieces,
                      [](char32_t c) { return unicode::Is(c, unicode::kPunctuation); });
  }

 private:
  SplitBehavior behavior_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadPunctuation(const formats::JsonValue& json) {
  SplitBehavior behavior = SplitBehavior::kIsolated;
  if (const auto value = json.Find("behavior")) {
    AKIN_TRY_ASSIGN(behavior, ParseSplitBehavior(*value));
  }
  return MakeStage<PreTokenizer, Punctuation>(behavior);
}

}  // namespace akin::tokenizer

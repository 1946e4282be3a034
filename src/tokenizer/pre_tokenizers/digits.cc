#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/pre_tokenizers/split_behavior.h"
#include "tokenizer/unicode/unicode.h"

namespace akin::tokenizer {
namespace {

// Cuts numbers (Nd, Nl, No) from the rest, as runs or one by one.
class Digits final : public Cutter {
 public:
  explicit Digits(bool individual)
      : behavior_(individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous) {}

  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    SplitAtCharacters(text, piece, behavior_, pieces,
                      [](char32_t c) { return unicode::Is(c, unicode::kNumeric); });
  }

 private:
  SplitBehavior behavior_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadDigits(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const bool individual, GetBool(json, "individual_digits"));
  return MakeStage<PreTokenizer, Digits>(individual);
}

}  // namespace akin::tokenizer

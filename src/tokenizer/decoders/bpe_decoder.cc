#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

// The suffix that ends a word becomes a blank, at the end of the text nothing.
class BpeDecoder final : public Decoder {
 public:
  explicit BpeDecoder(std::string_view suffix) : suffix_(suffix) {}

  Status Decode(std::vector<std::string>& tokens, Budget& budget) const override {
    return ReplaceTokens(tokens, budget, "BPEDecoder", [&](std::string_view token, size_t i) {
      return ReplaceAll(token, suffix_, i + 1 == tokens.size() ? "" : " ");
    });
  }

 private:
  std::string suffix_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadBpeDecoder(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view suffix, GetString(json, "suffix"));
  return MakeStage<Decoder, BpeDecoder>(suffix);
}

}  // namespace akin::tokenizer

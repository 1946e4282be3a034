#include <algorithm>

#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

// Connectionist temporal classification: repetitions of a token are one, padding separates real
// ones, a delimiter stands between words.
class CtcDecoder final : public Decoder {
 public:
  CtcDecoder(std::string_view pad, std::string_view delimiter, bool cleanup)
      : pad_(pad), delimiter_(delimiter), cleanup_(cleanup) {}

  Status Decode(std::vector<std::string>& tokens, Budget& budget) const override {
    const auto repeated = std::ranges::unique(tokens);
    tokens.erase(repeated.begin(), repeated.end());
    AKIN_TRY(ReplaceTokens(tokens, budget, "CTC", [&](std::string_view token, size_t) {
      std::string text = ReplaceAll(token, pad_, "");
      if (!cleanup_) return text;
      CleanUpTokenization(text);
      return ReplaceAll(text, delimiter_, " ");
    }));
    std::erase(tokens, "");
    return {};
  }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadCtcDecoder(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view pad, GetString(json, "pad_token"));
  AKIN_TRY_ASSIGN(const std::string_view delimiter, GetString(json, "word_delimiter_token"));
  AKIN_TRY_ASSIGN(const bool cleanup, GetBool(json, "cleanup"));
  return MakeStage<Decoder, CtcDecoder>(pad, delimiter, cleanup);
}

}  // namespace akin::tokenizer

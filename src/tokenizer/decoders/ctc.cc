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

  Status Decode(std::vector<std::string>& tokens) const override {
    const auto repeated = std::ranges::unique(tokens);
    tokens.erase(repeated.begin(), repeated.end());
    size_t kept = 0, total_bytes = 0;
    for (std::string& token : tokens) {
      if (total_bytes + token.size() > kMaxDecodedBytes) return TooLongToDecode();
      std::string text = ReplaceAll(token, pad_, "");
      if (cleanup_) {
        CleanUpTokenization(text);
        text = ReplaceAll(text, delimiter_, " ");
      }
      total_bytes += text.size();
      if (!text.empty()) tokens[kept++] = std::move(text);
    }
    tokens.resize(kept);
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

#include <limits>

#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

// Takes up to `start` and `stop` times a character off the begin and the end of every token. Where
// a token has too few of them the reference panics; here nothing is left of it.
class StripDecoder final : public Decoder {
 public:
  StripDecoder(std::string_view content, size_t start, size_t stop)
      : content_(content), start_(start), stop_(stop) {}

  Status Decode(std::vector<std::string>& tokens, Budget&) const override {
    for (std::string& token : tokens) token = Strip(token);
    return {};
  }

 private:
  std::string Strip(std::string_view token) const {
    for (size_t i = 0; i < start_ && token.starts_with(content_); ++i) {
      token.remove_prefix(content_.size());
    }
    for (size_t i = 0; i < stop_ && token.ends_with(content_); ++i) {
      token.remove_suffix(content_.size());
    }
    return std::string(token);
  }

  std::string content_;  // One character.
  size_t start_, stop_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadStripDecoder(const formats::JsonValue& json) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  AKIN_TRY_ASSIGN(const std::string_view content, GetCharacter(json, "content"));
  AKIN_TRY_ASSIGN(const int64_t start, GetInt(json, "start", 0, kMax));
  AKIN_TRY_ASSIGN(const int64_t stop, GetInt(json, "stop", 0, kMax));
  return MakeStage<Decoder, StripDecoder>(content, static_cast<size_t>(start),
                                          static_cast<size_t>(stop));
}

}  // namespace akin::tokenizer

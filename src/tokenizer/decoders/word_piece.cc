#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

// Words are separated by a blank; a token with the prefix goes on with the word before it.
class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(std::string_view prefix, bool cleanup) : prefix_(prefix), cleanup_(cleanup) {}

  Status Decode(std::vector<std::string>& tokens, Budget&) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0) {
        if (token.starts_with(prefix_)) {
          token.erase(0, prefix_.size());
        } else {
          token.insert(token.begin(), ' ');
        }
      }
      if (cleanup_) CleanUpTokenization(token);
    }
    return {};
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadWordPieceDecoder(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view prefix, GetString(json, "prefix"));
  AKIN_TRY_ASSIGN(const bool cleanup, GetBool(json, "cleanup"));
  return MakeStage<Decoder, WordPieceDecoder>(prefix, cleanup);
}

}  // namespace akin::tokenizer

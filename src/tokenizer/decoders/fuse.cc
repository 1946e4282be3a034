#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

// Makes one token of all, so that what follows sees the whole text.
class FuseDecoder final : public Decoder {
 public:
  Status Decode(std::vector<std::string>& tokens, Budget&) const override {
    std::string text;
    for (const std::string& token : tokens) text += token;
    tokens.assign(1, std::move(text));
    return {};
  }
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadFuseDecoder(const formats::JsonValue&) {
  return MakeStage<Decoder, FuseDecoder>();
}

}  // namespace akin::tokenizer

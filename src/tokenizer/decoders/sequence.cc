#include <memory>

#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

class DecoderSequence final : public Decoder {
 public:
  explicit DecoderSequence(std::vector<std::unique_ptr<const Decoder>> decoders)
      : decoders_(std::move(decoders)) {}

  Status Decode(std::vector<std::string>& tokens, Budget& budget) const override {
    for (const auto& decoder : decoders_) {
      AKIN_TRY(decoder->Decode(tokens, budget));
      size_t total_bytes = 0;
      for (const std::string& token : tokens) total_bytes += token.size();
      if (total_bytes > budget.bytes_left()) return budget.TooLong("decoder");
    }
    return {};
  }

 private:
  std::vector<std::unique_ptr<const Decoder>> decoders_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadDecoderSequence(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue list, json.Get("decoders"));
  AKIN_TRY_ASSIGN(const auto elements, list.AsArray());
  std::vector<std::unique_ptr<const Decoder>> decoders;
  for (const formats::JsonValue element : elements) {
    AKIN_TRY_ASSIGN(auto decoder, LoadDecoder(element));
    decoders.push_back(std::move(decoder));
  }
  return MakeStage<Decoder, DecoderSequence>(std::move(decoders));
}

}  // namespace akin::tokenizer

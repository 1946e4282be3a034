#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

// Turns the replacement character back into blanks; of the first token it is left out, because
// encoding put it there, unless the scheme is "never".
class MetaspaceDecoder final : public Decoder {
 public:
  MetaspaceDecoder(std::string_view replacement, bool prepends)
      : replacement_(replacement), prepends_(prepends) {}

  Status Decode(std::vector<std::string>& tokens, Budget& budget) const override {
    return ReplaceTokens(tokens, budget, "Metaspace", [&](std::string_view token, size_t i) {
      return ReplaceAll(token, replacement_, i == 0 && prepends_ ? "" : " ");
    });
  }

 private:
  std::string replacement_;  // One character.
  bool prepends_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadMetaspaceDecoder(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view replacement, GetCharacter(json, "replacement"));
  AKIN_TRY_ASSIGN(const std::string_view scheme,
                  GetName(json, "prepend_scheme", {"always", "never", "first"}));
  bool prepends = scheme != "never";
  // Older files say it with a bool, newer ones may have both.
  const auto add_prefix = json.Find("add_prefix_space");
  if (add_prefix && !add_prefix->is_null()) {
    AKIN_TRY_ASSIGN(const bool adds, add_prefix->AsBool());
    if (!adds && prepends && json.Find("prepend_scheme")) {
      return InvalidModel(add_prefix->Where(), " is false, but prepend_scheme is ", scheme);
    }
    prepends = prepends && adds;
  }
  return MakeStage<Decoder, MetaspaceDecoder>(replacement, prepends);
}

}  // namespace akin::tokenizer

// Byte-level vocabularies spell every byte as a visible character (byte_characters.h); this turns
// them back.
#include <array>

#include "base/utf8.h"
#include "tokenizer/byte_characters.h"
#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

constexpr int kNone = -1;
constexpr char32_t kEnd = 0x100 + 68;

// The byte that a character stands for.
constexpr std::array<int, kEnd> MakeBytes() {
  std::array<int, kEnd> bytes = {};
  for (int& byte : bytes) byte = kNone;
  for (int byte = 0; byte < 256; ++byte) bytes[kByteCharacters[static_cast<size_t>(byte)]] = byte;
  return bytes;
}
constexpr std::array<int, kEnd> kBytes = MakeBytes();

// Appends the bytes that `token` spells, or the token as it is if a character spells none.
void AppendBytes(std::string_view token, std::string& out) {
  const size_t size = out.size();
  for (size_t i = 0; i < token.size(); i += Utf8Length(token[i])) {
    const char32_t c = DecodeUtf8(&token[i]);
    if (c >= kEnd || kBytes[c] == kNone) {
      out.resize(size);
      out += token;
      return;
    }
    out += static_cast<char>(kBytes[c]);
  }
}

class ByteLevelDecoder final : public Decoder {
 public:
  Status Decode(std::vector<std::string>& tokens, Budget&) const override {
    std::string bytes;
    for (const std::string& token : tokens) AppendBytes(token, bytes);
    tokens.assign(1, LossyUtf8(bytes));
    return {};
  }
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadByteLevelDecoder(const formats::JsonValue&) {
  return MakeStage<Decoder, ByteLevelDecoder>();
}

}  // namespace akin::tokenizer

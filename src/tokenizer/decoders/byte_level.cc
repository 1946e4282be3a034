// Byte-level vocabularies spell every byte as a visible character: the printable ones of Latin-1 as
// themselves, the 68 others as U+0100, U+0101, ... in the order of the bytes (GPT-2's
// bytes_to_unicode). This turns them back.
#include <array>

#include "base/utf8.h"
#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

constexpr int kNone = -1;
constexpr char32_t kEnd = 0x100 + 68;

constexpr bool SpellsItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// The byte that a character stands for.
constexpr std::array<int, kEnd> MakeBytes() {
  std::array<int, kEnd> bytes = {};
  for (int& byte : bytes) byte = kNone;
  size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    bytes[SpellsItself(byte) ? static_cast<size_t>(byte) : next++] = byte;
  }
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
  Status Decode(std::vector<std::string>& tokens) const override {
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

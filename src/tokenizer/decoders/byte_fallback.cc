#include <charconv>
#include <optional>

#include "base/utf8.h"
#include "tokenizer/decoders/decoder.h"

namespace akin::tokenizer {
namespace {

// The byte that a token like <0x0A> stands for. The reference also reads <0x+A>.
std::optional<char> ByteOf(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  std::string_view digits = token.substr(3, 2);
  if (digits[0] == '+') digits.remove_prefix(1);
  unsigned char byte = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return static_cast<char>(byte);
}

// Joins runs of byte tokens into characters; a run that is no UTF-8 becomes one U+FFFD a byte.
class ByteFallbackDecoder final : public Decoder {
 public:
  Status Decode(std::vector<std::string>& tokens, Budget&) const override {
    std::vector<std::string> decoded;
    std::string bytes;
    for (std::string& token : tokens) {
      if (const auto byte = ByteOf(token)) {
        bytes += *byte;
        continue;
      }
      Flush(bytes, decoded);
      decoded.push_back(std::move(token));
    }
    Flush(bytes, decoded);
    tokens = std::move(decoded);
    return {};
  }

 private:
  static void Flush(std::string& bytes, std::vector<std::string>& decoded) {
    if (bytes.empty()) return;
    if (Utf8ValidUpTo(bytes) == bytes.size()) {
      decoded.push_back(bytes);
    } else {
      decoded.insert(decoded.end(), bytes.size(), "\uFFFD");
    }
    bytes.clear();
  }
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadByteFallbackDecoder(const formats::JsonValue&) {
  return MakeStage<Decoder, ByteFallbackDecoder>();
}

}  // namespace akin::tokenizer

#include "tokenizer/decoders/decoder.h"

#include <algorithm>

#include "base/utf8.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<Decoder> kDecoders[] = {
    {"BPEDecoder", LoadBpeDecoder},      {"ByteFallback", LoadByteFallbackDecoder},
    {"ByteLevel", LoadByteLevelDecoder}, {"CTC", LoadCtcDecoder},
    {"Fuse", LoadFuseDecoder},           {"Metaspace", LoadMetaspaceDecoder},
    {"Replace", LoadReplaceDecoder},     {"Sequence", LoadDecoderSequence},
    {"Strip", LoadStripDecoder},         {"WordPiece", LoadWordPieceDecoder},
};

std::string InsertEverywhere(std::string_view text, std::string_view content) {
  std::string out(content);
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8Length(text[i]);
    out.append(text.substr(i, length)).append(content);
    i += length;
  }
  return out;
}

}  // namespace

std::string ReplaceAll(std::string_view text, std::string_view pattern, std::string_view content) {
  if (pattern.empty()) return InsertEverywhere(text, content);
  std::string out;
  size_t done = 0;
  for (size_t match = text.find(pattern); match != text.npos; match = text.find(pattern, done)) {
    out.append(text.substr(done, match - done)).append(content);
    done = match + pattern.size();
  }
  return out.append(text.substr(done));
}

void CleanUpTokenization(std::string& token) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [pattern, content] : kReplacements) {
    if (token.find(pattern) != token.npos) token = ReplaceAll(token, pattern, content);
  }
}

std::string LossyUtf8(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    if (const size_t length = WellFormedUtf8Length(bytes, i); length > 0) {
      out.append(bytes.substr(i, length));
      i += length;
      continue;
    }
    out += "\uFFFD";
    // The longest prefix that some well-formed character has.
    size_t length = 1;
    for (std::string prefix(1, bytes[i]); i + length < bytes.size() && length < kMaxUtf8Bytes;) {
      prefix += bytes[i + length];
      bool can_go_on = false;
      for (const char low : {'\x80', '\x90', '\xA0', '\xBF'}) {
        std::string whole = prefix;
        whole.resize(Utf8Length(prefix[0]), low);
        can_go_on |= WellFormedUtf8Length(whole, 0) == whole.size() && whole.size() > prefix.size();
      }
      if (!can_go_on) break;
      ++length;
    }
    i += length;
  }
  return out;
}

Result<std::unique_ptr<const Decoder>> LoadDecoder(const formats::JsonValue& json) {
  return LoadStage<Decoder>(kDecoders, json);
}

}  // namespace akin::tokenizer

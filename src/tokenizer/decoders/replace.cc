#include <algorithm>
#include <memory>

#include "tokenizer/decoders/decoder.h"
#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {
namespace {

// Replaces a literal text in every token.
class ReplaceStringDecoder final : public Decoder {
 public:
  ReplaceStringDecoder(std::string_view pattern, std::string_view content)
      : pattern_(pattern), content_(content) {}

  Status Decode(std::vector<std::string>& tokens) const override {
    size_t total_bytes = 0;
    for (std::string& token : tokens) {
      // So many occurrences fit, and no more than this can become of them.
      const size_t most = token.size() / pattern_.size();
      if (total_bytes + token.size() + most * content_.size() > kMaxDecodedBytes) {
        return TooLongToDecode();
      }
      if (token.find(pattern_) != token.npos) token = ReplaceAll(token, pattern_, content_);
      total_bytes += token.size();
    }
    return {};
  }

 private:
  std::string pattern_, content_;
};

// A regular expression: what the normalizer of the same name does, token by token.
class ReplaceRegexDecoder final : public Decoder {
 public:
  ReplaceRegexDecoder(std::unique_ptr<const Normalizer> normalizer, size_t content_bytes)
      : normalizer_(std::move(normalizer)), content_bytes_(content_bytes) {}

  Status Decode(std::vector<std::string>& tokens) const override {
    NormalizedText text;
    size_t total_bytes = 0;
    for (std::string& token : tokens) {
      if (total_bytes + token.size() * (content_bytes_ + 1) > kMaxDecodedBytes) {
        return TooLongToDecode();
      }
      text.Assign(token, 0, false);
      normalizer_->Normalize(text);
      AKIN_TRY(text.status());
      std::string replaced(text.text());  // text() may still be a view of the token.
      token = std::move(replaced);
      total_bytes += token.size();
    }
    return {};
  }

 private:
  std::unique_ptr<const Normalizer> normalizer_;
  size_t content_bytes_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadReplaceDecoder(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue pattern, json.Get("pattern"));
  AKIN_TRY_ASSIGN(const std::string_view content, GetString(json, "content"));
  AKIN_TRY_ASSIGN(auto normalizer, LoadReplace(json));  // Checks the rest.
  if (pattern.Find("Regex")) {
    return MakeStage<Decoder, ReplaceRegexDecoder>(std::move(normalizer), content.size());
  }
  AKIN_TRY_ASSIGN(const std::string_view literal, GetString(pattern, "String"));
  if (literal.empty()) return InvalidModel(pattern.Where(), " is an empty String");
  return MakeStage<Decoder, ReplaceStringDecoder>(literal, content);
}

}  // namespace akin::tokenizer

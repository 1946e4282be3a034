#include <string>

#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {
namespace {

// Replaces every occurrence of a literal text, from left to right without overlap. The new text
// belongs to the last character replaced.
class ReplaceString final : public Normalizer {
 public:
  ReplaceString(std::string_view pattern, std::string_view content)
      : pattern_(pattern), content_(content) {}

  void Normalize(NormalizedText& text) const override {
    const std::string_view source = text.text();
    size_t match = source.find(pattern_);
    if (match == source.npos) return;
    Rewriter out(text);
    size_t done = 0;
    for (; match != source.npos; match = source.find(pattern_, done)) {
      out.Copy(match - done);
      out.Take(pattern_.size());
      for (size_t i = 0; i < content_.size(); i += Utf8Length(content_[i])) {
        out.Put(DecodeUtf8(&content_[i]));
      }
      done = match + pattern_.size();
    }
    out.Copy(out.remaining());
    out.Finish();
  }

 private:
  std::string pattern_, content_;
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadReplace(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue pattern, json.Get("pattern"));
  AKIN_TRY_ASSIGN(const std::string_view content, GetString(json, "content"));
  if (pattern.Find("Regex")) {
    return UnsupportedModel(pattern.Where(), " is a Regex, which is not supported yet");
  }
  AKIN_TRY_ASSIGN(const std::string_view literal, GetString(pattern, "String"));
  if (literal.empty()) return InvalidModel(pattern.Where(), " is an empty String");
  return MakeStage<Normalizer, ReplaceString>(literal, content);
}

}  // namespace akin::tokenizer

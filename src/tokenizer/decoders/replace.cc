#include <utility>

#include "tokenizer/decoders/decoder.h"
#include "tokenizer/pattern.h"

namespace akin::tokenizer {
namespace {

// Replaces every match of a pattern in every token, as the normalizer of the same name does.
class ReplaceDecoder final : public Decoder {
 public:
  ReplaceDecoder(Pattern pattern, std::string_view content)
      : pattern_(std::move(pattern)), content_(content) {}

  Status Decode(std::vector<std::string>& tokens, Budget& budget) const override {
    std::vector<ByteRange> matches;
    size_t total_bytes = 0;
    for (std::string& token : tokens) {
      matches.clear();
      const ByteRange all = {0, static_cast<uint32_t>(token.size())};
      // In an empty token the reference finds nothing, not even an empty match.
      if (!token.empty()) AKIN_TRY(pattern_.FindAll(token, all, budget.steps_left, matches));
      total_bytes += token.size() + matches.size() * content_.size();
      if (total_bytes > budget.bytes_left()) return budget.TooLong("Replace");
      if (!matches.empty()) token = Replaced(token, matches);
    }
    return {};
  }

 private:
  std::string Replaced(std::string_view token, const std::vector<ByteRange>& matches) const {
    std::string text;
    size_t done = 0;
    for (const ByteRange match : matches) {
      text.append(token.substr(done, match.begin - done)).append(content_);
      done = match.end;
    }
    return text.append(token.substr(done));
  }

  Pattern pattern_;
  std::string content_;
};

}  // namespace

Result<std::unique_ptr<const Decoder>> LoadReplaceDecoder(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue pattern_json, json.Get("pattern"));
  AKIN_TRY_ASSIGN(Pattern pattern, Pattern::Load(pattern_json));
  AKIN_TRY_ASSIGN(const std::string_view content, GetString(json, "content"));
  const auto literal = pattern_json.Find("String");
  if (literal && !pattern_json.Find("Regex") && literal->AsString().value_or("").empty()) {
    return InvalidModel(pattern_json.Where(), " is an empty String");
  }
  return MakeStage<Decoder, ReplaceDecoder>(std::move(pattern), content);
}

}  // namespace akin::tokenizer

#include <algorithm>
#include <utility>

#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace akin::tokenizer {
namespace {

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<const PreTokenizer>> stages)
      : stages_(std::move(stages)) {}

  void PreTokenize(NormalizedText& text, std::vector<ByteRange>& pieces,
                   bool raw_bytes) const override {
    for (const auto& stage : stages_) {
      stage->PreTokenize(text, pieces, raw_bytes && stage == stages_.back());
      if (!text.status()) return;
    }
  }

  bool rewrites(bool raw_bytes) const override {
    return std::ranges::any_of(stages_, [&](const auto& stage) {
      return stage->rewrites(raw_bytes && stage == stages_.back());
    });
  }

  bool maps_bytes() const override { return !stages_.empty() && stages_.back()->maps_bytes(); }

 private:
  std::vector<std::unique_ptr<const PreTokenizer>> stages_;
};

}  // namespace

Result<std::unique_ptr<const PreTokenizer>> LoadPreTokenizerSequence(
    const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue list, json.Get("pretokenizers"));
  AKIN_TRY_ASSIGN(const auto elements, list.AsArray());
  std::vector<std::unique_ptr<const PreTokenizer>> stages;
  for (const formats::JsonValue element : elements) {
    AKIN_TRY_ASSIGN(auto stage, LoadPreTokenizer(element));
    stages.push_back(std::move(stage));
  }
  return MakeStage<PreTokenizer, PreTokenizerSequence>(std::move(stages));
}

}  // namespace akin::tokenizer

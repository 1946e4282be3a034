#include <utility>

#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace akin::tokenizer {
namespace {

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<std::unique_ptr<const PreTokenizer>> stages)
      : stages_(std::move(stages)) {}

  void Split(std::string_view text, ByteRange piece,
             std::vector<ByteRange>& pieces) const override {
    const size_t first = pieces.size();
    pieces.push_back(piece);
    for (const auto& stage : stages_) {
      // The parts go behind the pieces they are made of, which are then removed.
      const size_t end = pieces.size();
      for (size_t i = first; i < end; ++i) stage->Split(text, ByteRange(pieces[i]), pieces);
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(first),
                   pieces.begin() + static_cast<std::ptrdiff_t>(end));
    }
  }

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

#include <utility>
#include <vector>

#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {
namespace {

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<std::unique_ptr<const Normalizer>> normalizers)
      : normalizers_(std::move(normalizers)) {}

  void Normalize(NormalizedText& text) const override {
    for (const auto& normalizer : normalizers_) {
      normalizer->Normalize(text);
      if (!text.status()) return;
    }
  }

 private:
  std::vector<std::unique_ptr<const Normalizer>> normalizers_;
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadNormalizerSequence(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const formats::JsonValue list, json.Get("normalizers"));
  AKIN_TRY_ASSIGN(const auto elements, list.AsArray());
  std::vector<std::unique_ptr<const Normalizer>> normalizers;
  for (const formats::JsonValue element : elements) {
    AKIN_TRY_ASSIGN(auto normalizer, LoadNormalizer(element));
    normalizers.push_back(std::move(normalizer));
  }
  return MakeStage<Normalizer, NormalizerSequence>(std::move(normalizers));
}

}  // namespace akin::tokenizer

#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<Normalizer> kNormalizers[] = {
    {"BertNormalizer", LoadBertNormalizer},
    {"ByteLevel", LoadByteLevelNormalizer},
    {"Lowercase", LoadLowercase},
    {"NFC", LoadNfc},
    {"NFD", LoadNfd},
    {"NFKC", LoadNfkc},
    {"NFKD", LoadNfkd},
    {"Nmt", LoadNmt},
    {"Precompiled", LoadPrecompiled},
    {"Prepend", LoadPrepend},
    {"Replace", LoadReplace},
    {"Sequence", LoadNormalizerSequence},
    {"Strip", LoadStrip},
    {"StripAccents", LoadStripAccents},
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadNormalizer(const formats::JsonValue& json) {
  return LoadStage<Normalizer>(kNormalizers, json);
}

}  // namespace akin::tokenizer

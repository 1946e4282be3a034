#include "tokenizer/normalizers/normalizer.h"

namespace akin::tokenizer {
namespace {

constexpr StageEntry<Normalizer> kNormalizers[] = {
    {"BertNormalizer", LoadBertNormalizer},
    {"Lowercase", LoadLowercase},
    {"NFC", LoadNfc},
    {"NFD", LoadNfd},
    {"NFKC", LoadNfkc},
    {"NFKD", LoadNfkd},
    {"Precompiled", LoadPrecompiled},
    {"Prepend", LoadPrepend},
    {"Replace", LoadReplace},
    {"Sequence", LoadNormalizerSequence},
    {"Strip", LoadStrip},
    {"StripAccents", LoadStripAccents},
    {"ByteLevel", nullptr},
    {"Nmt", nullptr},
};

}  // namespace

Result<std::unique_ptr<const Normalizer>> LoadNormalizer(const formats::JsonValue& json) {
  return LoadStage<Normalizer>(kNormalizers, json);
}

}  // namespace akin::tokenizer

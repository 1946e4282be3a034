// The "normalizer" of tokenizer.json: changes text before it is cut into words.
#pragma once

#include <memory>

#include "tokenizer/normalized_text.h"
#include "tokenizer/stage_table.h"

namespace akin::tokenizer {

// Immutable; Normalize may be called from many threads.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  // An error is left in `text` (NormalizedText::Fail).
  virtual void Normalize(NormalizedText& text) const = 0;
};

// The normalizer that `json` describes, an object with a "type".
StageLoader<Normalizer> LoadNormalizer;

// One loader a type, defined in the type's own file; normalizer.cc has the table.
StageLoader<Normalizer> LoadBertNormalizer, LoadByteLevelNormalizer, LoadLowercase, LoadNfc,
    LoadNfd, LoadNfkc, LoadNfkd, LoadNmt, LoadPrecompiled, LoadPrepend, LoadReplace,
    LoadNormalizerSequence, LoadStrip, LoadStripAccents;

// Lower-cases, then does as `normalizer`, which may be null.
std::unique_ptr<const Normalizer> LowercaseFirst(std::unique_ptr<const Normalizer> normalizer);

// Steps that several normalizers share.
void LowercaseText(NormalizedText& text);
void DecomposeText(bool compatibility, NormalizedText& text);
// Removes the characters of `classes` (unicode.h).
void RemoveClasses(uint16_t classes, NormalizedText& text);

}  // namespace akin::tokenizer

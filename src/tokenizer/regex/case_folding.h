// (?i) as Oniguruma does it, as far as one character stands for one character.
#pragma once

#include "tokenizer/regex/char_set.h"

namespace akin::tokenizer::regex {

// `set` with all characters that differ from one in it by case only: U+017F is an s, U+212A a k.
CharSet FoldCase(const CharSet& set);
bool IsClosedUnderFolding(const CharSet& set);

// Characters that match several others without regard to case, as U+00DF does "ss",
bool FoldsToSeveral(char32_t c);
// and ASCII letters, in lower case, that one such character matches.
bool IsFoldOfOne(char first, char second);

}  // namespace akin::tokenizer::regex

// The merges of a BPE model as its file has them.
#pragma once

#include <cstddef>

#include "akin/result.h"

#include "formats/json.h"
#include "tokenizer/models/merge_borders.h"
#include "tokenizer/models/merge_table.h"
#include "tokenizer/models/vocabulary.h"

namespace akin::tokenizer {

struct Merges {
  MergeTable table;
  MergeBorders borders;
};

// `json` is the list of merges; of their right parts `prefix_bytes` do not stand in what they make.
// Error: InvalidModel for a merge that is none, or of pieces that `vocab` lacks.
Result<Merges> LoadMerges(const formats::JsonValue& json, const Vocabulary& vocab,
                          size_t prefix_bytes);

}  // namespace akin::tokenizer

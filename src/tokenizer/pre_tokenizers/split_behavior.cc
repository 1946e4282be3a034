#include "tokenizer/pre_tokenizers/split_behavior.h"

namespace akin::tokenizer {
namespace {

struct NamedBehavior {
  std::string_view name;
  SplitBehavior behavior;
};
constexpr NamedBehavior kBehaviors[] = {
    {"Removed", SplitBehavior::kRemoved},
    {"Isolated", SplitBehavior::kIsolated},
    {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
    {"MergedWithNext", SplitBehavior::kMergedWithNext},
    {"Contiguous", SplitBehavior::kContiguous},
};

}  // namespace

Result<SplitBehavior> ParseSplitBehavior(const formats::JsonValue& json) {
  AKIN_TRY_ASSIGN(const std::string_view name, json.AsString());
  const auto found = std::ranges::find(kBehaviors, name, &NamedBehavior::name);
  if (found != std::end(kBehaviors)) return found->behavior;
  return InvalidModel(json.Where(), " is ", json.Found(),
                      ", expected Removed, Isolated, MergedWithPrevious, MergedWithNext or "
                      "Contiguous");
}

}  // namespace akin::tokenizer

#include "tokenizer/truncation.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "tokenizer/stage_table.h"

namespace akin::tokenizer {
namespace {

using formats::JsonValue;

Result<TruncationStrategy> ReadStrategy(const JsonValue& json) {
  AKIN_TRY(json.Get("strategy"));
  AKIN_TRY_ASSIGN(const std::string_view name,
                  GetName(json, "strategy", {"LongestFirst", "OnlyFirst", "OnlySecond"}));
  if (name == "LongestFirst") return TruncationStrategy::kLongestFirst;
  return name == "OnlyFirst" ? TruncationStrategy::kOnlyFirst : TruncationStrategy::kOnlySecond;
}

}  // namespace

Result<std::optional<Truncation>> ReadTruncation(const std::optional<JsonValue>& json,
                                                 int num_special_tokens) {
  if (!json || json->is_null()) return std::optional<Truncation>();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  Truncation truncation;
  AKIN_TRY_ASSIGN(const JsonValue length_json, json->Get("max_length"));
  AKIN_TRY_ASSIGN(truncation.max_length, length_json.AsIntIn(0, kMax));
  AKIN_TRY_ASSIGN(const JsonValue stride_json, json->Get("stride"));
  AKIN_TRY_ASSIGN(truncation.stride, stride_json.AsIntIn(0, kMax));
  AKIN_TRY_ASSIGN(truncation.strategy, ReadStrategy(*json));
  AKIN_TRY_ASSIGN(const std::string_view direction, GetName(*json, "direction", {"Right", "Left"}));
  truncation.side = direction == "Left" ? TruncationSide::kLeft : TruncationSide::kRight;
  const int64_t most = truncation.max_length - num_special_tokens;
  if (most < 0) {
    return InvalidModel(length_json.Where(), " is ", truncation.max_length, ", fewer than the ",
                        num_special_tokens, " special tokens");
  }
  if (truncation.stride > most) {
    return InvalidModel(stride_json.Where(), " is ", truncation.stride, ", not below the ", most,
                        " tokens of a text that are kept");
  }
  return std::optional<Truncation>(truncation);
}

// A stride as long as the kept tokens is an error only for a text that is cut, as in the reference.
Status CheckTruncation(const Truncation& truncation, int num_special_tokens) {
  if (truncation.max_length < 0) {
    return InvalidInput("max_length is ", truncation.max_length, ", expected 0 or more");
  }
  if (truncation.stride < 0) {
    return InvalidInput("stride is ", truncation.stride, ", expected 0 or more");
  }
  const int64_t most = truncation.max_length - num_special_tokens;
  if (most >= 0 && truncation.stride > most) {
    return InvalidInput("stride is ", truncation.stride, ", not below the ", most,
                        " tokens of a text that are kept (max_length ", truncation.max_length,
                        ", special tokens ", num_special_tokens, ")");
  }
  return {};
}

namespace {

// The shorter text keeps all its tokens if that leaves the longer one at least as many; else both
// keep half, the longer one (the second of two equal ones) the odd token too.
KeptLengths LongestFirst(size_t first, size_t second, size_t max_length) {
  const bool swapped = first > second;
  if (swapped) std::swap(first, second);
  second = first > max_length ? first : std::max(first, max_length - first);
  if (first + second > max_length) {
    first = max_length / 2;
    second = first + max_length % 2;
  }
  return swapped ? KeptLengths{second, first} : KeptLengths{first, second};
}

}  // namespace

Result<KeptLengths> Truncate(size_t first, std::optional<size_t> second, size_t max_length,
                             TruncationStrategy strategy) {
  if (max_length == 0) return KeptLengths{0, 0};
  const size_t total = first + second.value_or(0);
  if (total <= max_length) return KeptLengths{first, second.value_or(0)};
  const size_t to_remove = total - max_length;
  if (strategy == TruncationStrategy::kLongestFirst) {
    if (second) return LongestFirst(first, *second, max_length);
    return KeptLengths{max_length, 0};
  }
  const bool cuts_second = strategy == TruncationStrategy::kOnlySecond;
  if (cuts_second && !second) {
    return InvalidInput("the truncation strategy is OnlySecond, but there is no second text");
  }
  const size_t target = cuts_second ? *second : first;
  if (target <= to_remove) {
    return InvalidInput("the ", cuts_second ? "second" : "first", " text has ", target,
                        " tokens, too few to remove ", to_remove, " of them");
  }
  return cuts_second ? KeptLengths{first, target - to_remove}
                     : KeptLengths{target - to_remove, second.value_or(0)};
}

TokenRange KeptPart(size_t num_tokens, size_t kept, TruncationSide side) {
  kept = std::min(kept, num_tokens);
  if (side == TruncationSide::kRight) return {0, kept};
  return {num_tokens - kept, num_tokens};
}

Status CheckStride(const Truncation& truncation, size_t kept) {
  if (static_cast<size_t>(truncation.stride) < kept) return {};
  return InvalidInput("stride is ", truncation.stride, ", not below the ", kept,
                      " tokens of a text that are kept");
}

Result<std::vector<TokenRange>> CutIntoParts(size_t num_tokens, size_t kept,
                                             const Truncation& truncation) {
  if (kept >= num_tokens) return std::vector<TokenRange>{{0, num_tokens}};
  if (kept == 0) return std::vector<TokenRange>{{0, 0}, {0, num_tokens}};
  AKIN_TRY(CheckStride(truncation, kept));
  std::vector<TokenRange> parts;
  const size_t step = kept - static_cast<size_t>(truncation.stride);
  if (truncation.side == TruncationSide::kRight) {
    for (size_t begin = 0; parts.empty() || parts.back().end < num_tokens; begin += step) {
      parts.push_back({begin, std::min(begin + kept, num_tokens)});
    }
  } else {
    for (size_t end = num_tokens; parts.empty() || parts.back().begin > 0; end -= step) {
      parts.push_back({end - std::min(end, kept), end});
    }
  }
  return parts;
}

}  // namespace akin::tokenizer

#include "engine/equal_sequences.h"

#include <algorithm>
#include <numeric>
#include <string_view>
#include <unordered_map>

namespace akin::engine {
namespace {

std::string_view Bytes(std::span<const int32_t> ids) {
  return {reinterpret_cast<const char*>(ids.data()), ids.size_bytes()};
}

// Those with segments are made of one text's windows and have no equals worth looking for.
bool AreEqual(const TokenizedTexts& texts, uint32_t a, uint32_t b) {
  return Bytes(texts.token_type_ids(a)) == Bytes(texts.token_type_ids(b)) &&
         texts.text(a) == texts.text(b) &&  // Where a backend reads them.
         texts.excluded()[a] == texts.excluded()[b] && texts.attended()[a] == texts.attended()[b] &&
         texts.segments(a).empty() && texts.segments(b).empty();
}

}  // namespace

EqualSequences::EqualSequences(const TokenizedTexts& texts,
                               FunctionRef<const void*(uint32_t sequence)> network) {
  const uint32_t count = static_cast<uint32_t>(texts.size());
  std::vector<uint32_t> group_of(count);
  std::vector<uint32_t> first;  // Of each group.
  std::unordered_map<std::string_view, uint32_t> by_ids;
  for (uint32_t i = 0; i < count; ++i) {
    group_of[i] = static_cast<uint32_t>(first.size());
    if (count > 1) {
      const auto [it, is_new] = by_ids.try_emplace(Bytes(texts.input_ids(i)), group_of[i]);
      const bool is_equal = !is_new && AreEqual(texts, first[it->second], i) &&
                            network(first[it->second]) == network(i);
      if (is_equal) group_of[i] = it->second;
    }
    if (group_of[i] == first.size()) first.push_back(i);
  }
  // Sorted by group; equal ones stay in their order.
  sequences_.resize(count);
  std::iota(sequences_.begin(), sequences_.end(), 0u);
  std::ranges::stable_sort(sequences_, {}, [&](uint32_t i) { return group_of[i]; });
  begin_.assign(first.size() + 1, count);
  for (uint32_t at = count; at-- > 0;) begin_[group_of[sequences_[at]]] = at;
}

}  // namespace akin::engine

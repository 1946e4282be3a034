#include "engine/batch_slot.h"

#include <algorithm>

namespace akin::engine {

void BatchSlot::Fill(const TokenizedTexts& sequences, const batching::Batch& batch,
                     const Network& network, const Wanted& wanted) {
  input_ids.clear();
  token_type_ids.clear();
  cu_seqlens.assign(1, 0);
  attended.clear();
  texts.clear();
  segments.clear();
  first_segment.assign(1, 0);
  const bool partly =
      std::ranges::any_of(batch, [&](uint32_t i) { return sequences.attended()[i] > 0; });
  for (const uint32_t i : batch) {
    const auto ids = sequences.input_ids(i), types = sequences.token_type_ids(i);
    const size_t begin = input_ids.size();
    const auto own_segments = sequences.segments(i);
    for (const pooling::Segment& segment : own_segments)
      segments.push_back({begin + segment.begin, segment.length, segment.first_position});
    if (own_segments.empty()) {
      const size_t excluded = static_cast<size_t>(sequences.excluded()[i]);
      segments.push_back({begin + excluded, ids.size() - excluded, excluded});
    }
    first_segment.push_back(static_cast<int32_t>(segments.size()));
    input_ids.insert(input_ids.end(), ids.begin(), ids.end());
    token_type_ids.insert(token_type_ids.end(), types.begin(), types.end());
    cu_seqlens.push_back(static_cast<int32_t>(input_ids.size()));
    if (network.info().reads_texts) texts.push_back(sequences.text(i));
    if (partly) {
      const int32_t length = static_cast<int32_t>(ids.size());
      attended.push_back(sequences.attended()[i] > 0 ? sequences.attended()[i] : length);
    }
  }
  for (size_t output = 0; output < kNumOutputs; ++output) {
    if (!wanted[output]) continue;
    const pooling::RowShape& shape = network.chain(static_cast<Output>(output))->output();
    rows[output].resize((shape.per_token ? input_ids.size() : segments.size()) * shape.width);
  }
  network.Reserve(this->batch(), *session);
}

OutputRows BatchSlot::Views(const Network& network, const Wanted& wanted) {
  OutputRows views;
  for (size_t output = 0; output < kNumOutputs; ++output) {
    if (!wanted[output]) continue;
    const size_t width = network.chain(static_cast<Output>(output))->output().width;
    views[output] = {rows[output].data(), rows[output].size() / width, width};
  }
  return views;
}

MatrixView<const float> RowsOf(const BatchSlot& slot, const Network& network, Output output,
                               size_t sequence) {
  const pooling::RowShape& shape = network.chain(output)->output();
  const auto& borders = shape.per_token ? slot.cu_seqlens : slot.first_segment;
  const size_t begin = static_cast<size_t>(borders[sequence]);
  const size_t end = static_cast<size_t>(borders[sequence + 1]);
  const std::vector<float>& rows = slot.rows[static_cast<size_t>(output)];
  return {rows.data() + begin * shape.width, end - begin, shape.width};
}

}  // namespace akin::engine

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "akin/options.h"

#include "batching/batch_plan.h"
#include "engine/network.h"
#include "engine/tokenized_texts.h"

namespace akin::engine {

// Which outputs are wanted, by Output.
using Wanted = std::array<bool, kNumOutputs>;

// What one team needs to compute a batch: the network's session and the batch's own arrays, all
// reused.
struct BatchSlot {
  std::unique_ptr<Network::Session> session;
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  std::vector<int32_t> cu_seqlens;
  std::vector<int32_t> attended;           // Empty: all tokens.
  std::vector<std::string_view> texts;     // Empty unless the backend reads them.
  std::vector<pooling::Segment> segments;  // Those of a sequence are neighbours.
  std::vector<int32_t> first_segment;      // Of each sequence, and the end.
  std::array<std::vector<float>, kNumOutputs> rows;

  RaggedBatch batch() const { return {input_ids, token_type_ids, cu_seqlens, attended, texts}; }
  // Gathers the sequences of `batch` end to end and makes room for the rows. Throws std::bad_alloc.
  void Fill(const TokenizedTexts& sequences, const batching::Batch& batch, const Network& network,
            const Wanted& wanted);
  OutputRows Views(const Network& network, const Wanted& wanted);
};

// The rows of an output that belong to a sequence of the batch.
MatrixView<const float> RowsOf(const BatchSlot& slot, const Network& network, Output output,
                               size_t sequence);

}  // namespace akin::engine

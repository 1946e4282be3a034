// What a graph takes and gives, told by its own inputs and outputs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"

#include "backends/backend.h"
#include "formats/onnx.h"
#include "model/onnx_file.h"

namespace akin::backends::onnxruntime {

enum class InputRole { kInputIds, kAttentionMask, kTokenTypeIds, kPositionIds };

struct Input {
  InputRole role = InputRole::kInputIds;
  std::string name;
  formats::OnnxType type = formats::OnnxType::kInt64;  // Or kInt32.
};

struct Signature {
  std::vector<Input> inputs;  // [batch, length] each.
  std::string output;
  formats::OnnxType output_type = formats::OnnxType::kFloat;  // Or kFloat16, kBfloat16, kDouble.
  RowKind rows = RowKind::kTokenStates;
  // Axes that the graph does not let vary.
  std::optional<int64_t> batch;
  std::optional<int64_t> length;
};

// `wanted_output` is the output's name, or empty for the first of the known ones, of which
// `logits_first` puts "logits" in front. Errors:
// UnsupportedModel (an input that no text gives, no output that is understood), InvalidInput
// (`wanted_output` is none of the outputs), InvalidModel.
Result<Signature> ReadSignature(const model::OnnxFile& file, const std::string& wanted_output,
                                bool logits_first = false);

// What a graph is made of, as far as it decides how it is run.
struct GraphTraits {
  std::string precision;                 // Of the larger part of the weights: "f32", "f16", "int8".
  bool quantizes_by_batch = false;       // Scales of activations are taken over the whole batch.
  int64_t num_parameters = 0;            // Elements of initializers with two dimensions or more.
  std::optional<int64_t> vocab_size;     // Rows of the table that input_ids look up.
  std::optional<int64_t> num_positions;  // Rows of the table named for positions.
};
GraphTraits ReadTraits(const model::OnnxFile& file, const Signature& signature);

// Before a graph is handed to ONNX Runtime: every operator is of a domain that it has or of the
// file's own functions. Errors: UnsupportedModel.
Status CheckOperators(const model::OnnxFile& file);

}  // namespace akin::backends::onnxruntime

// The graph's self-attention, taken out of it to be computed by our own kernels.
//
//   query --Reshape--Transpose--+
//                               MatMul -> Div or Mul -> [Add(mask)] -> Softmax --+
//   key ----Reshape--Transpose--+                                                |
//                                                              MatMul -> Transpose -> Reshape ->
//   value --Reshape--Transpose---------------------------------------------------+
//
//   becomes                      akin:Attention(query, key, value, mask)
//
// Query, key and value are what linear layers make (linear_layers.h): float, and their widths are
// known. No matrix of scores is written, and a text's thirteen nodes a layer are one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "backends/onnxruntime/first_rows.h"
#include "backends/onnxruntime/linear_layers.h"
#include "model/onnx_file.h"

namespace akin::backends::onnxruntime {

// The operator: query [batch, queries, heads * head_dim], key and value [batch, keys, heads *
// head_dim], optionally a mask [batch or 1, 1, queries or 1, keys] that is added to the scores;
// the output is like the query.
inline constexpr char kAttentionOperator[] = "Attention";
inline constexpr char kHeadsAttribute[] = "num_heads";
inline constexpr char kScaleAttribute[] = "scale";  // Of the scores, before the mask.

struct AttentionPlan {
  struct Layer {
    std::string query, key, value, mask;  // Values; no mask: empty.
    std::string output;
    int64_t num_heads = 0;
    float scale = 1.0f;
  };
  std::map<size_t, Layer> nodes;  // By the last Reshape, at whose place an akin:Attention stands.
  std::set<size_t> dropped;       // Nodes that nothing reads any more.
  std::set<std::string, std::less<>> initializers;  // Likewise.
};

// `first_rows` may be nullptr; `linear` was made with it. Empty where there is no attention of this
// form. `output` is the output of the graph that is read.
AttentionPlan PlanAttention(const model::OnnxFile& file, std::string_view output,
                            const FirstRowsPlan* first_rows, const LinearPlan& linear);

}  // namespace akin::backends::onnxruntime

// A graph as we change it, before ONNX Runtime sees it.
#pragma once

#include <string>
#include <string_view>

#include "backends/onnxruntime/attention_layers.h"
#include "backends/onnxruntime/first_rows.h"
#include "backends/onnxruntime/linear_layers.h"
#include "model/onnx_file.h"

namespace akin::backends::onnxruntime {

// Each may be nullptr: that does not change.
struct GraphChanges {
  const FirstRowsPlan* first_rows = nullptr;  // `output` becomes the graph's only output.
  const LinearPlan* linear_layers = nullptr;  // Made with the same first_rows.
  const AttentionPlan* attention = nullptr;   // Made with both.
};

// The file with these changes. Large values are not copied: they are external data of the file as
// it was, under the name kOriginalFile.
std::string WriteGraph(const model::OnnxFile& file, std::string_view output,
                       const GraphChanges& changes);
inline constexpr char kOriginalFile[] = "akin.original";

// The initializers of the changed graph.
std::set<std::string, std::less<>> InitializersOf(const model::OnnxFile& file,
                                                  const GraphChanges& changes);

}  // namespace akin::backends::onnxruntime

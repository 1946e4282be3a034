// The graph's linear layers, taken out of it to be computed by our own kernels.
//
//   MatMul(x, W) [-> Add(bias)] [-> GELU]     becomes     akin:Linear(x)
//
// and layers that read the same x, as those of queries, keys and values do, become one node of
// several outputs: its threads meet once.
//
// ONNX Runtime's product of a few rows reads packed weights at about half of the speed at which
// this CPU's memory gives them (docs/design/012-onnxruntime.md). The operator's weights are no
// tensors of the graph any more: it has the numbers of its layers as an attribute.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "backends/onnxruntime/first_rows.h"
#include "base/aligned_buffer.h"
#include "kernels/kernels.h"
#include "model/onnx_file.h"

namespace akin::backends::onnxruntime {

// The operator: one input [.., k], for each of its layers one output [.., n], f32.
inline constexpr char kOwnDomain[] = "akin";  // Of all operators of ours.
inline constexpr char kLinearOperator[] = "Linear";
inline constexpr char kLayersAttribute[] = "layers";  // Their places in LinearPlan::layers.
inline constexpr size_t kMostOutputs = 4;

struct LinearPlan {
  struct Layer {
    const formats::OnnxTensor* weight = nullptr;  // [k, n], f32
    const formats::OnnxTensor* bias = nullptr;    // [n], f32; nullptr: none.
    bool gelu = false;                            // By erf.
    std::string input, output;                    // Values: what its product reads, and it makes.
  };
  std::vector<Layer> layers;
  // By the MatMul at whose place an akin:Linear stands, its layers: 1 to kMostOutputs.
  std::map<size_t, std::vector<size_t>> nodes;
  std::set<size_t> absorbed;  // Other nodes that a layer computes.
  // Those that nothing reads any more.
  std::set<std::string, std::less<>> initializers;
};

// Of the layers whose weights are of at least `least_bytes`. `first_rows` may be nullptr; what it
// cuts within a layer stays as it is. Empty where there are none, or where a subgraph may read what
// is within. `output` is the output of the graph that is read.
LinearPlan PlanLinearLayers(const model::OnnxFile& file, std::string_view output,
                            const FirstRowsPlan* first_rows, size_t least_bytes);

// Their weights in the layout of the kernels.
class LinearWeights {
 public:
  // Throws std::bad_alloc.
  LinearWeights(const model::OnnxFile& file, const LinearPlan& plan,
                const kernels::Kernels& kernels);

  struct Layer {
    kernels::PackedLinear linear;
    kernels::Epilogue epilogue = kernels::Epilogue::kStore;
  };
  const std::vector<Layer>& layers() const { return layers_; }
  const kernels::Kernels& kernels() const { return kernels_; }

 private:
  void Pack(const model::OnnxFile& file, const LinearPlan::Layer& from, std::byte* memory);

  kernels::Kernels kernels_;
  AlignedBuffer memory_;
  std::vector<Layer> layers_;
};

}  // namespace akin::backends::onnxruntime

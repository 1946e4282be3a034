#include "backends/onnxruntime/linear_layers.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <unordered_map>

#include "model/onnx_parts.h"
#include "model/onnx_values.h"

namespace akin::backends::onnxruntime {
namespace {

using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

class Planner {
 public:
  Planner(const model::OnnxFile& file, std::string_view output, const FirstRowsPlan* first_rows)
      : file_(file),
        nodes_(file.graph().nodes),
        values_(file),
        parts_(file, values_),
        first_rows_(first_rows) {
    outputs_.insert(output);
    for (const formats::OnnxValueInfo& info : file.graph().outputs) outputs_.insert(info.name);
    if (first_rows == nullptr) return;
    for (const FirstRowsPlan::Slice& slice : first_rows->slices) outputs_.insert(slice.from);
  }

  LinearPlan Plan(size_t least_bytes) {
    for (const OnnxNode& node : nodes_) {
      for (const formats::OnnxAttribute& attribute : node.attributes) {
        if (!attribute.graphs.empty()) return {};  // Its body reads tensors unseen.
      }
    }
    if (HasOwnDomain()) return {};
    FindGelus();
    for (const OnnxNode& node : nodes_) {
      if (IsNeeded(node) && node.Is("MatMul", 2)) Take(node, least_bytes);
    }
    if (!IsPackedInBounds()) return {};
    DropConstants();
    return std::move(plan_);
  }

 private:
  size_t IndexOf(const OnnxNode& node) const { return static_cast<size_t>(&node - nodes_.data()); }
  bool IsNeeded(const OnnxNode& node) const {
    return first_rows_ == nullptr || first_rows_->needed[IndexOf(node)];
  }

  // A file's own operators of that name would meet ours.
  bool HasOwnDomain() const {
    const auto is_own = [](const auto& part) { return part.domain == kOwnDomain; };
    return std::ranges::any_of(file_.model().opsets, is_own) ||
           std::ranges::any_of(file_.model().functions, is_own);
  }

  // A matrix is packed with each bias that is added to it: many for one would be a small file of a
  // large model.
  bool IsPackedInBounds() const {
    std::set<std::pair<const OnnxTensor*, const OnnxTensor*>> packed;
    std::set<const OnnxTensor*> weights;
    uint64_t packed_bytes = 0, weight_bytes = 0;
    for (const LinearPlan::Layer& layer : plan_.layers) {
      if (packed.emplace(layer.weight, layer.bias).second)
        packed_bytes += layer.weight->num_bytes();
      if (weights.insert(layer.weight).second) weight_bytes += layer.weight->num_bytes();
    }
    return packed_bytes <= 2 * weight_bytes;
  }

  void FindGelus() {
    for (const OnnxNode& node : nodes_) {
      if (node.op_type != "Mul" && node.op_type != "Gelu") continue;
      if (node.outputs.size() != 1) continue;
      if (auto gelu = parts_.Gelu(node.outputs[0]))
        gelus_[gelu->input] = {std::move(*gelu), node.outputs[0]};
    }
  }

  void Take(const OnnxNode& product, size_t least_bytes) {
    const OnnxTensor* weight = file_.FindInitializer(product.inputs[1]);
    if (weight == nullptr || weight->type != OnnxType::kFloat || weight->dims.size() != 2 ||
        weight->num_bytes() < least_bytes || IsReplaced(product, 1) ||
        file_.ValuesOf(*weight).size() != weight->num_bytes()) {
      return;
    }
    LinearPlan::Layer layer{.weight = weight, .input = std::string(product.inputs[0])};
    std::string_view value = product.outputs[0];
    const OnnxNode* sum = values_.OnlyReaderOf(value);
    if (sum != nullptr && sum->Is("Add", 2)) {
      const OnnxTensor* bias = file_.FindInitializer(sum->inputs[sum->inputs[0] == value ? 1 : 0]);
      const std::vector<int64_t> dims = {weight->dims[1]};
      if (bias != nullptr && bias->type == OnnxType::kFloat && bias->dims == dims &&
          file_.ValuesOf(*bias).size() == bias->num_bytes() &&
          Absorb({&sum, 1}, value, sum->outputs[0])) {
        layer.bias = bias;
        value = sum->outputs[0];
      }
    }
    if (const auto gelu = gelus_.find(value);
        gelu != gelus_.end() && Absorb(gelu->second.part.nodes, value, gelu->second.output)) {
      layer.gelu = true;
      value = gelu->second.output;
    }
    layer.output = value;
    products_.insert(IndexOf(product));
    NodeFor(product).push_back(plan_.layers.size());
    plan_.layers.push_back(std::move(layer));
  }

  // The layers of the first product that reads what `product` reads, if there is room: what the
  // others make is made there, too, as soon as the input is.
  std::vector<size_t>& NodeFor(const OnnxNode& product) {
    const size_t index = IndexOf(product);
    if (IsReplaced(product, 0)) return plan_.nodes[index];
    const auto [found, is_first] = first_products_.try_emplace(product.inputs[0], index);
    std::vector<size_t>& layers = plan_.nodes[found->second];
    if (is_first) return layers;
    if (layers.size() < kMostOutputs) {
      plan_.absorbed.insert(index);
      return layers;
    }
    found->second = index;
    return plan_.nodes[index];
  }

  bool IsReplaced(const OnnxNode& node, size_t input) const {
    return first_rows_ != nullptr && first_rows_->inputs.contains({IndexOf(node), input});
  }

  // The layer that makes `value` now makes `result`, computing `nodes`, if nobody misses what is
  // between the two.
  bool Absorb(std::span<const OnnxNode* const> nodes, std::string_view value,
              std::string_view result) {
    const auto is_within = [&](const OnnxNode* node) {
      return std::ranges::find(nodes, node) != nodes.end();
    };
    const auto is_free = [&](std::string_view inner) {
      return !outputs_.contains(inner) && std::ranges::all_of(values_.ReadersOf(inner), is_within);
    };
    if (!is_free(value)) return false;
    for (const OnnxNode* node : nodes) {
      if (!IsNeeded(*node) || plan_.absorbed.contains(IndexOf(*node))) return false;
      for (size_t i = 0; i < node->inputs.size(); ++i) {
        if (IsReplaced(*node, i)) return false;
      }
      if (node->outputs[0] != result && !is_free(node->outputs[0])) return false;
    }
    for (const OnnxNode* node : nodes) plan_.absorbed.insert(IndexOf(*node));
    return true;
  }

  // Constants and initializers that nothing reads any more.
  void DropConstants() {
    std::set<std::string_view> read = outputs_, within;
    for (const OnnxNode& node : nodes_) {
      const size_t index = IndexOf(node);
      if (!IsNeeded(node)) continue;
      const bool is_product = products_.contains(index);
      const bool is_absorbed = !is_product && plan_.absorbed.contains(index);
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const bool is_within = is_absorbed || (is_product && i > 0);
        (is_within ? within : read).insert(node.inputs[i]);
      }
    }
    for (const std::string_view value : within) {
      if (read.contains(value)) continue;
      const OnnxNode* maker = values_.MakerOf(value);
      if (maker != nullptr && maker->op_type == "Constant") {
        plan_.absorbed.insert(IndexOf(*maker));
      } else if (file_.FindInitializer(value) != nullptr) {
        plan_.initializers.emplace(value);
      }
    }
  }

  const model::OnnxFile& file_;
  const std::vector<OnnxNode>& nodes_;
  const model::ValueMap values_;
  const model::OnnxParts parts_;
  const FirstRowsPlan* first_rows_;
  std::set<std::string_view> outputs_;  // Values that are read from outside of the nodes.
  struct Gelu {
    model::OnnxPart part;
    std::string_view output;
  };
  std::unordered_map<std::string_view, Gelu> gelus_;             // By what they read.
  std::set<size_t> products_;                                    // That are layers.
  std::unordered_map<std::string_view, size_t> first_products_;  // By what they read.
  LinearPlan plan_;
};

}  // namespace

LinearPlan PlanLinearLayers(const model::OnnxFile& file, std::string_view output,
                            const FirstRowsPlan* first_rows, size_t least_bytes) {
  return Planner(file, output, first_rows).Plan(least_bytes);
}

LinearWeights::LinearWeights(const model::OnnxFile& file, const LinearPlan& plan,
                             const kernels::Kernels& kernels)
    : kernels_(kernels) {
  // Layers share what is the same, as all of ALBERT's do.
  std::map<std::pair<const OnnxTensor*, const OnnxTensor*>, size_t> offsets;
  size_t bytes = 0;
  for (const LinearPlan::Layer& layer : plan.layers) {
    const Layer made{.linear = {.n = static_cast<size_t>(layer.weight->dims[1]),
                                .k = static_cast<size_t>(layer.weight->dims[0])},
                     .epilogue = layer.gelu ? kernels::Epilogue::kGelu : kernels::Epilogue::kStore};
    if (offsets.try_emplace({layer.weight, layer.bias}, bytes).second)
      bytes += kernels::PackedBytes(kernels_, made.linear);
    layers_.push_back(made);
  }
  memory_ = AlignedBuffer(bytes);
  std::set<size_t> packed;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const LinearPlan::Layer& layer = plan.layers[i];
    const size_t offset = offsets.at({layer.weight, layer.bias});
    std::byte* const memory = memory_.As<std::byte>().data() + offset;
    layers_[i].linear.panels = memory;
    if (packed.insert(offset).second) Pack(file, layer, memory);
  }
}

// A panel is some columns of the graph's matrix, each as a row.
void LinearWeights::Pack(const model::OnnxFile& file, const LinearPlan::Layer& from,
                         std::byte* memory) {
  const std::byte* weight = file.ValuesOf(*from.weight).data();
  const size_t k = static_cast<size_t>(from.weight->dims[0]);
  const size_t n = static_cast<size_t>(from.weight->dims[1]);
  const size_t width = kernels_.linear.panel_width;
  std::vector<float> rows(width * k), bias(width), values(width);
  for (size_t first = 0; first < n; first += width) {
    const size_t count = std::min(width, n - first);
    std::ranges::fill(bias, 0.0f);
    if (count < width) std::ranges::fill(rows, 0.0f);
    if (from.bias != nullptr) {
      std::memcpy(bias.data(), file.ValuesOf(*from.bias).data() + first * sizeof(float),
                  count * sizeof(float));
    }
    for (size_t i = 0; i < k; ++i) {
      std::memcpy(values.data(), weight + (i * n + first) * sizeof(float), count * sizeof(float));
      for (size_t j = 0; j < count; ++j) rows[j * k + i] = values[j];
    }
    kernels_.linear.pack_panel({rows.data(), width, k}, bias, memory);
    memory += kernels_.linear.panel_bytes(k);
  }
}

}  // namespace akin::backends::onnxruntime

#include "backends/onnxruntime/attention_layers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backends/onnxruntime/tensor_ranks.h"
#include "model/onnx_parts.h"
#include "model/onnx_values.h"

namespace akin::backends::onnxruntime {
namespace {

using formats::OnnxAttribute;
using formats::OnnxNode;
using formats::OnnxTensor;
using formats::OnnxType;

class Planner {
 public:
  Planner(const model::OnnxFile& file, std::string_view output, const FirstRowsPlan* first_rows,
          const LinearPlan& linear)
      : file_(file),
        nodes_(file.graph().nodes),
        values_(file),
        parts_(file, values_),
        ranks_(file),
        first_rows_(first_rows) {
    roots_.insert(output);
    for (const formats::OnnxValueInfo& info : file.graph().outputs) roots_.insert(info.name);
    if (first_rows != nullptr) {
      for (const FirstRowsPlan::Slice& slice : first_rows->slices) roots_.insert(slice.from);
    }
    for (const LinearPlan::Layer& layer : linear.layers) linear_[layer.output] = &layer;
    for (const auto& [node, layers] : linear.nodes) {
      for (const size_t layer : layers)
        linear_outputs_[node].push_back(linear.layers[layer].output);
    }
  }

  AttentionPlan Plan() {
    std::map<size_t, std::vector<size_t>> within;  // By the places of plan_.nodes.
    for (const OnnxNode& node : nodes_) {
      if (!IsNeeded(IndexOf(node)) || !node.Is("Reshape", 2)) continue;
      within_.clear();
      auto layer = Match(node);
      if (!layer) continue;
      plan_.nodes.emplace(IndexOf(node), *std::move(layer));
      within[IndexOf(node)] = std::move(within_);
    }
    // One that stays reads what others were to leave out.
    constexpr int kMostRounds = 8;
    for (int round = 0; !LeaveWhatIsRead(within); ++round) {
      if (round == kMostRounds) return {};
    }
    if (!plan_.nodes.empty()) DropUnread();
    return std::move(plan_);
  }

 private:
  using Layer = AttentionPlan::Layer;

  size_t IndexOf(const OnnxNode& node) const { return static_cast<size_t>(&node - nodes_.data()); }
  bool IsNeeded(size_t index) const { return first_rows_ == nullptr || first_rows_->needed[index]; }

  // Takes those out of the plan of which somebody else wants what is within. Whether there was
  // none.
  bool LeaveWhatIsRead(const std::map<size_t, std::vector<size_t>>& within) {
    const std::vector<bool> read = ReadNodes();
    return std::erase_if(plan_.nodes, [&](const auto& layer) {
             return std::ranges::any_of(within.at(layer.first),
                                        [&](size_t index) { return read[index]; });
           }) == 0;
  }

  // What is read instead of an input where rows are cut off in front of it; nullptr: the input.
  const std::string* Replaced(const OnnxNode& node, size_t input) const {
    if (first_rows_ == nullptr) return nullptr;
    const auto found = first_rows_->inputs.find({IndexOf(node), input});
    return found == first_rows_->inputs.end() ? nullptr : &found->second;
  }

  // The node within that makes what `reader` reads there.
  const OnnxNode* Within(const OnnxNode& reader, size_t input, std::string_view op_type,
                         size_t num_inputs) {
    if (Replaced(reader, input) != nullptr) return nullptr;
    const OnnxNode* node = parts_.Made(reader.inputs[input], op_type, num_inputs);
    if (node != nullptr) within_.push_back(IndexOf(*node));
    return node;
  }

  static bool Permutes(const OnnxNode& transpose, const std::vector<int64_t>& axes) {
    const OnnxAttribute* perm = transpose.Find("perm");
    return perm != nullptr && perm->ints == axes;
  }

  std::optional<float> ScalarOf(std::string_view value) const {
    const OnnxTensor* tensor = values_.ConstantOf(value);
    if (tensor == nullptr || tensor->type != OnnxType::kFloat || tensor->dims.size() > 1 ||
        tensor->num_elements() != 1 || file_.ValuesOf(*tensor).size() != sizeof(float))
      return std::nullopt;
    float scalar;
    std::memcpy(&scalar, file_.ValuesOf(*tensor).data(), sizeof scalar);
    return scalar;
  }

  std::optional<Layer> Match(const OnnxNode& joined) {
    const OnnxNode* turned = Within(joined, 0, "Transpose", 1);
    if (turned == nullptr || !Permutes(*turned, {0, 2, 1, 3})) return std::nullopt;
    const OnnxNode* context = Within(*turned, 0, "MatMul", 2);
    const OnnxNode* softmax = context == nullptr ? nullptr : Within(*context, 0, "Softmax", 1);
    if (softmax == nullptr || !IsOverKeys(*softmax)) return std::nullopt;
    Layer layer;
    const OnnxNode* scores = Scores(*softmax, layer);
    if (scores == nullptr) return std::nullopt;
    const auto query = Split(*scores, 0, {0, 2, 1, 3});
    const auto key = SplitKeys(*scores);
    const auto value = Split(*context, 1, {0, 2, 1, 3});
    if (!query || !key || !value || query->num_heads != key->num_heads ||
        query->num_heads != value->num_heads || query->width != key->width ||
        query->width != value->width || !Joins(joined, query->width) ||
        query->source != key->source || query->source != value->source)
      return std::nullopt;
    layer.query = query->rows;
    layer.key = key->rows;
    layer.value = value->rows;
    layer.num_heads = query->num_heads;
    layer.output = joined.outputs[0];
    return layer;
  }

  // Of [batch, heads, queries, keys].
  bool IsOverKeys(const OnnxNode& softmax) const {
    const OnnxAttribute* axis = softmax.Find("axis");
    return axis != nullptr && (axis->i == -1 || axis->i == 3);
  }

  // softmax <- [Add(mask)] <- Div or Mul <- the product of queries and keys, which is returned.
  const OnnxNode* Scores(const OnnxNode& softmax, Layer& layer) {
    const OnnxNode* sum = Within(softmax, 0, "Add", 2);
    const size_t num_within = within_.size();
    for (const size_t side : {0, 1}) {
      within_.resize(num_within);
      const OnnxNode& reader = sum == nullptr ? softmax : *sum;
      const OnnxNode* quotient = Within(reader, sum == nullptr ? 0 : side, "Div", 2);
      const OnnxNode* multiple = Within(reader, sum == nullptr ? 0 : side, "Mul", 2);
      const OnnxNode* scaled = quotient != nullptr ? quotient : multiple;
      if (scaled == nullptr) continue;
      const std::optional<float> factor = ScalarOf(scaled->inputs[1]);
      if (!factor) continue;
      layer.scale = quotient != nullptr ? 1.0f / *factor : *factor;
      const OnnxNode* product = Within(*scaled, 0, "MatMul", 2);
      if (product == nullptr || !(layer.scale > 0) || !std::isfinite(layer.scale)) continue;
      if (sum != nullptr) {
        if (ranks_.Of(sum->inputs[1 - side]) != 4) continue;
        const std::string* mask = Replaced(*sum, 1 - side);
        layer.mask = mask != nullptr ? std::string_view(*mask) : sum->inputs[1 - side];
      }
      return product;
    }
    return nullptr;
  }

  // Rows of heads side by side, and how they are split.
  struct Heads {
    std::string_view rows;
    std::string_view source;  // What the linear layer reads that makes them: of one batch.
    int64_t num_heads = 0;
    int64_t width = 0;
  };

  // Transpose(Reshape(rows, [batch, length, heads, head_dim])), rows being a linear layer's.
  std::optional<Heads> Split(const OnnxNode& reader, size_t input,
                             const std::vector<int64_t>& axes) {
    const OnnxNode* turned = Within(reader, input, "Transpose", 1);
    if (turned == nullptr || !Permutes(*turned, axes)) return std::nullopt;
    const OnnxNode* split = Within(*turned, 0, "Reshape", 2);
    if (split == nullptr || Replaced(*split, 0) != nullptr) return std::nullopt;
    const auto found = linear_.find(split->inputs[0]);
    if (found == linear_.end()) return std::nullopt;
    const int64_t width = found->second->weight->dims[1];
    const auto shape = ShapeOf(*split);
    if (!shape || shape->size() != 4) return std::nullopt;
    const int64_t num_heads = (*shape)[2], head_dim = (*shape)[3];
    // Two numbers above zero whose product does not overflow.
    if (num_heads < 1 || head_dim < 1 || num_heads > width || head_dim > width ||
        num_heads * head_dim != width)
      return std::nullopt;
    return Heads{split->inputs[0], found->second->input, num_heads, width};
  }

  // The same turned to [batch, heads, head_dim, length], in one step or two.
  std::optional<Heads> SplitKeys(const OnnxNode& scores) {
    const size_t num_within = within_.size();
    if (auto heads = Split(scores, 1, {0, 2, 3, 1})) return heads;
    within_.resize(num_within);
    const OnnxNode* turned = Within(scores, 1, "Transpose", 1);
    if (turned == nullptr || !Permutes(*turned, {0, 1, 3, 2})) return std::nullopt;
    return Split(*turned, 0, {0, 2, 1, 3});
  }

  // Reshape(.., [batch, length, width]).
  bool Joins(const OnnxNode& joined, int64_t width) const {
    const auto shape = ShapeOf(joined);
    return shape && shape->size() == 3 && (*shape)[2] == width;
  }

  // The dimensions that a Reshape makes, where the first is the batch's own. The second may be any:
  // the others being what they are, it is the length, or the Reshape fails. Both are 0 here; of the
  // rest, those that are no constants are -1.
  std::optional<std::vector<int64_t>> ShapeOf(const OnnxNode& reshape) const {
    const OnnxAttribute* zeros = reshape.Find("allowzero");
    if (zeros != nullptr && zeros->i.value_or(0) != 0) return std::nullopt;
    std::vector<int64_t> shape;
    bool is_of_batch = false;
    if (const auto constant = ranks_.Constant(reshape.inputs[1])) {
      shape = *constant;
    } else {
      const OnnxNode* concat = values_.MakerOf(reshape.inputs[1]);
      if (concat == nullptr || !concat->Is("Concat")) return std::nullopt;
      for (const std::string_view input : concat->inputs) {
        if (const auto part = ranks_.Constant(input)) {
          shape.insert(shape.end(), part->begin(), part->end());
          continue;
        }
        const auto dimension = DimensionAt(input);
        if (!dimension) return std::nullopt;
        if (shape.empty()) is_of_batch = IsBatch(*dimension, reshape.inputs[0]);
        shape.push_back(-1);
      }
    }
    if (shape.size() < 3 || (shape[0] != 0 && !is_of_batch)) return std::nullopt;
    shape[0] = shape[1] = 0;
    return shape;
  }

  struct Dimension {
    std::string_view tensor;
    int64_t axis = 0;
  };

  // One number: Unsqueeze(Gather(Shape(tensor), axis)), the axis being a scalar.
  std::optional<Dimension> DimensionAt(std::string_view value) const {
    const OnnxNode* single = values_.MakerOf(value);
    if (single == nullptr || !single->Is("Unsqueeze") || single->inputs.empty())
      return std::nullopt;
    std::optional<std::vector<int64_t>> axes;
    if (const OnnxAttribute* attribute = single->Find("axes")) axes = attribute->ints;
    if (single->inputs.size() == 2) axes = ranks_.Constant(single->inputs[1]);
    if (!axes || axes->size() != 1) return std::nullopt;
    const OnnxNode* gather = parts_.Made(single->inputs[0], "Gather", 2);
    const OnnxNode* shape =
        gather == nullptr ? nullptr : parts_.Made(gather->inputs[0], "Shape", 1);
    if (shape == nullptr || !shape->attributes.empty()) return std::nullopt;
    const OnnxTensor* index = values_.ConstantOf(gather->inputs[1]);
    const auto axis = ranks_.Constant(gather->inputs[1]);
    if (index == nullptr || !index->dims.empty() || !axis || axis->size() != 1) return std::nullopt;
    return Dimension{shape->inputs[0], (*axis)[0]};
  }

  // Of `rows`, or of what the linear layer reads that makes them.
  bool IsBatch(const Dimension& dimension, std::string_view rows) const {
    if (dimension.axis != 0) return false;
    const auto made = linear_.find(rows);
    return dimension.tensor == rows ||
           (made != linear_.end() && dimension.tensor == made->second->input);
  }

  // What the akin:Linear at the place of a node makes besides.
  std::span<const std::string_view> OutputsAt(size_t node) const {
    const auto found = linear_outputs_.find(node);
    if (found == linear_outputs_.end()) return {};
    return found->second;
  }

  // By node: whether the graph's output depends on it, with the layers that are taken out so far.
  std::vector<bool> ReadNodes() const {
    std::unordered_set<std::string_view> read(roots_.begin(), roots_.end());
    std::vector<bool> nodes(nodes_.size(), false);
    for (size_t n = nodes_.size(); n-- > 0;) {
      const OnnxNode& node = nodes_[n];
      const auto is_read = [&](std::string_view value) { return read.contains(value); };
      nodes[n] = IsNeeded(n) && (std::ranges::any_of(node.outputs, is_read) ||
                                 std::ranges::any_of(OutputsAt(n), is_read));
      if (!nodes[n]) continue;
      if (const auto taken = plan_.nodes.find(n); taken != plan_.nodes.end()) {
        const Layer& layer = taken->second;
        read.insert({layer.query, layer.key, layer.value, layer.mask});
      } else {
        read.insert(node.inputs.begin(), node.inputs.end());
      }
    }
    return nodes;
  }

  void DropUnread() {
    const std::vector<bool> read = ReadNodes();
    std::unordered_set<std::string_view> inputs(roots_.begin(), roots_.end());
    for (size_t n = 0; n < nodes_.size(); ++n) {
      if (!IsNeeded(n)) continue;
      if (!read[n]) {
        plan_.dropped.insert(n);
      } else if (!plan_.nodes.contains(n)) {
        inputs.insert(nodes_[n].inputs.begin(), nodes_[n].inputs.end());
      }
    }
    for (const auto& [n, layer] : plan_.nodes) inputs.insert(layer.mask);
    const auto drop = [&](size_t n) {
      for (const std::string_view input : nodes_[n].inputs) {
        if (!inputs.contains(input) && file_.FindInitializer(input) != nullptr)
          plan_.initializers.emplace(input);
      }
    };
    for (const size_t n : plan_.dropped) drop(n);
    for (const auto& [n, layer] : plan_.nodes) drop(n);
  }

  const model::OnnxFile& file_;
  const std::vector<OnnxNode>& nodes_;
  const model::ValueMap values_;
  const model::OnnxParts parts_;
  const TensorRanks ranks_;
  const FirstRowsPlan* first_rows_;
  std::set<std::string_view> roots_;  // Values that are read from outside of the nodes.
  std::unordered_map<std::string_view, const LinearPlan::Layer*> linear_;     // By their outputs.
  std::unordered_map<size_t, std::vector<std::string_view>> linear_outputs_;  // By their places.
  std::vector<size_t> within_;  // Of the layer that is being looked at.
  AttentionPlan plan_;
};

}  // namespace

AttentionPlan PlanAttention(const model::OnnxFile& file, std::string_view output,
                            const FirstRowsPlan* first_rows, const LinearPlan& linear) {
  if (linear.layers.empty()) return {};  // So that no subgraph reads what is within, either.
  return Planner(file, output, first_rows, linear).Plan();
}

}  // namespace akin::backends::onnxruntime

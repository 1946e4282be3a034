#include "backends/onnxruntime/first_rows.h"

#include <algorithm>
#include <array>
#include <span>
#include <unordered_map>

#include "backends/onnxruntime/tensor_ranks.h"
#include "base/strings.h"

namespace akin::backends::onnxruntime {
namespace {

using formats::OnnxAttribute;
using formats::OnnxGraph;
using formats::OnnxNode;

// Each value by itself; of several inputs as broadcasting pairs them.
constexpr std::string_view kElementwise[] = {
    "Abs", "Add", "BiasGelu", "Cast", "Div",     "Erf",  "Exp", "Gelu", "Identity",
    "Mul", "Neg", "Pow",      "Relu", "Sigmoid", "Sqrt", "Sub", "Tanh", "Where"};

bool Contains(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// An axis of a tensor along which it is cut.
struct Cut {
  size_t axis = 0;
  size_t rank = 0;
};

// Walks from the output to the inputs. A node whose every reader wants the first rows only, and
// which computes rows by themselves, is computed for them; what it reads is cut instead.
class Planner {
 public:
  Planner(const model::OnnxFile& file, int64_t opset)
      : file_(file), nodes_(file.graph().nodes), opset_(opset), ranks_(file) {}

  std::optional<FirstRowsPlan> Plan(std::string_view output) {
    if (!IndexProducers()) return std::nullopt;
    plan_.needed.assign(nodes_.size(), false);
    readers_[output].push_back({.cut = Cut{.axis = 1, .rank = 3}});
    for (size_t n = nodes_.size(); n-- > 0;) Visit(n);
    // Inputs and initializers that are wanted cut.
    for (const auto& [tensor, readers] : readers_) {
      if (file_.FindInitializer(tensor) != nullptr) plan_.initializers.emplace(tensor);
      if (!producers_.contains(tensor) && !CutAt(tensor, readers)) return std::nullopt;
    }
    // A cut right at the output spares nothing.
    if (num_products_ == 0) return std::nullopt;
    return std::move(plan_);
  }

 private:
  // Who reads a tensor, and what of it.
  struct Reader {
    std::optional<size_t> node;  // Unset: the graph's output.
    size_t input = 0;
    std::optional<Cut> cut;  // Unset: all of it.
  };
  using Readers = std::vector<Reader>;

  bool IndexProducers() {
    for (size_t n = 0; n < nodes_.size(); ++n) {
      for (const OnnxAttribute& attribute : nodes_[n].attributes) {
        if (!attribute.graphs.empty()) return false;  // Its body reads tensors unseen.
      }
      for (const std::string_view input : nodes_[n].inputs) {
        // Walking backwards meets readers first.
        if (!input.empty() && !producers_.contains(input) && !file_.FindInitializer(input) &&
            !IsGraphInput(input)) {
          return false;
        }
      }
      for (const std::string_view output : nodes_[n].outputs) producers_[output] = n;
    }
    return true;
  }
  bool IsGraphInput(std::string_view name) const {
    const auto& inputs = file_.graph().inputs;
    return std::ranges::find(inputs, name, &formats::OnnxValueInfo::name) != inputs.end();
  }

  void Visit(size_t n) {
    const OnnxNode& node = nodes_[n];
    const Readers* readers = nullptr;
    for (const std::string_view output : node.outputs) {
      const auto found = readers_.find(output);
      if (found == readers_.end()) continue;
      plan_.needed[n] = true;
      readers = &found->second;
    }
    if (!plan_.needed[n]) return;
    if (node.outputs.size() == 1) {
      const std::optional<Cut> cut = CommonCut(*readers);
      if (cut && Pass(n, *cut)) return;
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) Read(n, i, std::nullopt);
    for (const std::string_view output : node.outputs) {
      const auto found = readers_.find(output);
      if (found != readers_.end()) CutAt(output, found->second);
    }
  }

  // The cut that all readers want; nothing if they do not agree.
  static std::optional<Cut> CommonCut(const Readers& readers) {
    for (const Reader& reader : readers) {
      if (!reader.cut || reader.cut->axis != readers.front().cut->axis) return std::nullopt;
    }
    return readers.front().cut;
  }

  void Read(size_t node, size_t input, std::optional<Cut> cut) {
    const std::string_view tensor = nodes_[node].inputs[input];
    if (!tensor.empty()) readers_[tensor].push_back({node, input, cut});
  }

  // Puts a Slice behind `tensor` for those of its readers that want it cut. False: not possible.
  bool CutAt(std::string_view tensor, const Readers& readers) {
    std::map<size_t, std::string> made;  // By axis.
    for (const Reader& reader : readers) {
      if (!reader.cut) continue;
      if (!reader.node) return false;  // The output itself.
      std::string& name = made[reader.cut->axis];
      if (name.empty()) {
        name = StrCat("akin.rows.", plan_.slices.size());
        plan_.slices.push_back({std::string(tensor), name, reader.cut->axis, *reader.node});
      }
      for (FirstRowsPlan::Slice& slice : plan_.slices) {
        if (slice.to == name) slice.before = std::min(slice.before, *reader.node);
      }
      plan_.inputs[{*reader.node, reader.input}] = name;
    }
    return true;
  }

  // Whether the node can be computed with its output cut. If so, says what it reads.
  bool Pass(size_t n, Cut cut) {
    const OnnxNode& node = nodes_[n];
    if (node.domain == "com.microsoft") {
      return node.op_type == "BiasGelu" || node.op_type == "Gelu" ? PassElementwise(n, cut) : false;
    }
    if (!formats::IsOnnxDomain(node.domain)) return false;
    if (Contains(kElementwise, node.op_type)) return PassElementwise(n, cut);
    if (node.op_type == "MatMul") return PassMatMul(n, cut);
    if (node.op_type == "Transpose") return PassTranspose(n, cut);
    if (node.op_type == "Reshape") return PassReshape(n, cut);
    if (node.op_type == "Softmax" || node.op_type == "LayerNormalization" ||
        node.op_type == "ReduceMean") {
      return AlongLastAxis(node, cut) && ReadFirst(n, cut);
    }
    return false;
  }

  // The first input is cut, the others are read whole.
  bool ReadFirst(size_t n, Cut cut) {
    if (ranks_.Of(nodes_[n].inputs[0]) != cut.rank) return false;
    Read(n, 0, cut);
    for (size_t i = 1; i < nodes_[n].inputs.size(); ++i) Read(n, i, std::nullopt);
    return true;
  }

  // An operand's axes are counted from the end; along the cut it is as long as the output, or 1,
  // which a Slice leaves as it is.
  bool PassElementwise(size_t n, Cut cut) {
    const std::vector<std::string_view>& inputs = nodes_[n].inputs;
    for (const std::string_view input : inputs) {
      if (!ranks_.Of(input)) return false;
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      const size_t rank = *ranks_.Of(inputs[i]), from_end = cut.rank - cut.axis;
      const bool reaches = rank >= from_end && !IsOneAt(inputs[i], rank - from_end);
      Read(n, i, reaches ? std::optional(Cut{rank - from_end, rank}) : std::nullopt);
    }
    return true;
  }
  bool IsOneAt(std::string_view tensor, size_t axis) const {
    const formats::OnnxTensor* initializer = file_.FindInitializer(tensor);
    return initializer != nullptr && initializer->dims[axis] == 1;
  }

  bool PassMatMul(size_t n, Cut cut) {
    const std::string_view left = nodes_[n].inputs[0], right = nodes_[n].inputs[1];
    const auto rank = ranks_.Of(left), right_rank = ranks_.Of(right);
    if (!rank || !right_rank || *rank < 2 || *right_rank < 2 || cut.axis + 2 != cut.rank)
      return false;
    Read(n, 0, Cut{*rank - 2, *rank});
    Read(n, 1, std::nullopt);
    if (file_.FindInitializer(right) != nullptr) ++num_products_;
    return true;
  }

  bool PassTranspose(size_t n, Cut cut) {
    const OnnxAttribute* perm = nodes_[n].Find("perm");
    if (perm == nullptr || perm->ints.size() != cut.rank) return false;
    const int64_t axis = perm->ints[cut.axis];
    if (axis < 0 || static_cast<size_t>(axis) >= cut.rank) return false;
    Read(n, 0, Cut{static_cast<size_t>(axis), cut.rank});
    return true;
  }

  // [batch, length, ...] -> [batch, length, ...] with other dimensions behind: heads are split or
  // joined. The new shape says "as it was" (0) for the first two, so that ONNX Runtime fails rather
  // than mixes rows up should the rest not be as many values as before.
  bool PassReshape(size_t n, Cut cut) {
    const OnnxNode& node = nodes_[n];
    const auto rank = ranks_.Of(node.inputs[0]);
    if (!rank || *rank < 3 || cut.axis != 1 || cut.rank < 3 || node.Find("allowzero") != nullptr)
      return false;
    const auto shape = ReshapedTo(node);
    if (!shape || shape->size() != cut.rank) return false;
    Read(n, 0, Cut{1, *rank});
    std::string name = StrCat("akin.shape.", plan_.shapes.size());
    plan_.inputs[{n, 1}] = name;
    plan_.shapes.emplace_back(std::move(name), *shape);
    return true;
  }

  // {0, 0, ...}: the first two dimensions are the input's own, the others numbers.
  std::optional<std::vector<int64_t>> ReshapedTo(const OnnxNode& node) const {
    std::vector<int64_t> shape;
    int64_t rest = 1;
    if (const auto constant = ranks_.Constant(node.inputs[1])) {
      shape = *constant;
      if (shape.size() < 3 || shape[0] > 0 || shape[1] > 0) return std::nullopt;
    } else {
      const auto made = producers_.find(node.inputs[1]);
      if (made == producers_.end()) return std::nullopt;
      const OnnxNode& concat = nodes_[made->second];
      if (concat.op_type != "Concat" || concat.inputs.size() < 3) return std::nullopt;
      for (size_t i = 0; i < concat.inputs.size(); ++i) {
        const auto part = ranks_.Constant(concat.inputs[i]);
        const bool is_number = part && part->size() == 1 && (i > 1 || (*part)[0] <= 0);
        if (!is_number && (i > 1 || !IsDimension(concat.inputs[i], node.inputs[0], i)))
          return std::nullopt;
        shape.push_back(is_number ? (*part)[0] : 0);
      }
    }
    for (size_t i = 2; i < shape.size(); ++i) {
      if (shape[i] == 0) return std::nullopt;
      rest *= shape[i];
    }
    // With -1 among the first two, the others are numbers, whose product the input must have.
    if (rest == 1) return std::nullopt;
    shape[0] = shape[1] = 0;
    return shape;
  }

  // Unsqueeze(Gather(Shape(tensor), index)).
  bool IsDimension(std::string_view value, std::string_view tensor, size_t index) const {
    std::array<const OnnxNode*, 3> chain{};
    for (size_t i = 0; i < chain.size(); ++i) {
      const auto made = producers_.find(value);
      if (made == producers_.end()) return false;
      chain[i] = &nodes_[made->second];
      if (chain[i]->inputs.empty()) return false;  // A Constant.
      value = chain[i]->inputs[0];
    }
    if (chain[0]->op_type != "Unsqueeze" || chain[1]->op_type != "Gather" ||
        chain[2]->op_type != "Shape" || !chain[2]->attributes.empty() || value != tensor) {
      return false;
    }
    const auto at = ranks_.Constant(chain[1]->inputs[1]);
    return at && at->size() == 1 && (*at)[0] == static_cast<int64_t>(index);
  }

  // What is computed over the last axis, which is not the one that is cut.
  bool AlongLastAxis(const OnnxNode& node, Cut cut) const {
    if (cut.axis + 1 == cut.rank) return false;
    const auto is_last = [&](int64_t axis) {
      return axis == -1 || axis == static_cast<int64_t>(cut.rank) - 1;
    };
    if (node.op_type == "ReduceMean") {
      const OnnxAttribute* keep = node.Find("keepdims");
      if (keep != nullptr && keep->i.value_or(1) != 1) return false;
      std::optional<std::vector<int64_t>> axes;
      if (const OnnxAttribute* attribute = node.Find("axes")) axes = attribute->ints;
      if (!axes && node.inputs.size() == 2) axes = ranks_.Constant(node.inputs[1]);
      return axes && axes->size() == 1 && is_last((*axes)[0]);
    }
    const OnnxAttribute* axis = node.Find("axis");
    // Before opset 13 Softmax's default was another, and meant all axes from there on.
    if (axis == nullptr) return node.op_type != "Softmax" || opset_ >= 13;
    return axis->i && is_last(*axis->i);
  }

  const model::OnnxFile& file_;
  const std::vector<OnnxNode>& nodes_;
  const int64_t opset_;
  const TensorRanks ranks_;
  FirstRowsPlan plan_;
  size_t num_products_ = 0;
  std::unordered_map<std::string_view, size_t> producers_;
  std::unordered_map<std::string_view, Readers> readers_;
};

}  // namespace

std::optional<FirstRowsPlan> PlanFirstRows(const model::OnnxFile& file, std::string_view output) {
  int64_t opset = 0;
  for (const formats::OnnxOpset& set : file.model().opsets) {
    if (formats::IsOnnxDomain(set.domain)) opset = set.version;
  }
  constexpr int64_t kSliceByTensors = 10;
  if (opset < kSliceByTensors) return std::nullopt;
  const auto& outputs = file.graph().outputs;
  const auto found = std::ranges::find(outputs, output, &formats::OnnxValueInfo::name);
  if (found == outputs.end() || !found->dims || found->dims->size() != 3) return std::nullopt;
  return Planner(file, opset).Plan(output);
}

}  // namespace akin::backends::onnxruntime

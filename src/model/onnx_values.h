// The values of a graph, with the nodes on both sides of them.
#pragma once

#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "formats/onnx.h"
#include "model/onnx_file.h"

namespace akin::model {

// Borrows the file. Who makes and who reads each value of the main graph.
class ValueMap {
 public:
  explicit ValueMap(const OnnxFile& file) : file_(file) {
    for (const formats::OnnxNode& node : file.graph().nodes) {
      for (const std::string_view output : node.outputs) makers_.emplace(output, &node);
      for (const std::string_view input : node.inputs) readers_[input].push_back(&node);
    }
  }

  // nullptr: an input or an initializer.
  const formats::OnnxNode* MakerOf(std::string_view value) const {
    const auto found = makers_.find(value);
    return found == makers_.end() ? nullptr : found->second;
  }
  // The one node that reads `value`; nullptr when there are none or several.
  const formats::OnnxNode* OnlyReaderOf(std::string_view value) const {
    const auto found = readers_.find(value);
    return found == readers_.end() || found->second.size() != 1 ? nullptr : found->second[0];
  }
  std::span<const formats::OnnxNode* const> ReadersOf(std::string_view value) const {
    const auto found = readers_.find(value);
    if (found == readers_.end()) return {};
    return found->second;
  }
  // What `value` is a copy of by Identity, through a few of them; itself where it is none.
  // Exporters keep one of several initializers of equal values and make the others of it so.
  std::string_view SourceOf(std::string_view value) const {
    constexpr int kMostCopies = 4;
    for (int i = 0; i < kMostCopies; ++i) {
      const formats::OnnxNode* maker = MakerOf(value);
      if (maker == nullptr || !maker->Is("Identity") || maker->inputs.size() != 1) break;
      value = maker->inputs[0];
    }
    return value;
  }
  // An initializer, or one that is copied; nullptr for others.
  const formats::OnnxTensor* StoredOf(std::string_view value) const {
    return file_.FindInitializer(SourceOf(value));
  }
  // An initializer, or the value of a Constant; nullptr for others.
  const formats::OnnxTensor* ConstantOf(std::string_view value) const {
    if (const formats::OnnxTensor* tensor = file_.FindInitializer(value)) return tensor;
    const formats::OnnxNode* maker = MakerOf(value);
    if (maker == nullptr || maker->op_type != "Constant") return nullptr;
    const formats::OnnxAttribute* attribute = maker->Find("value");
    return attribute == nullptr || attribute->tensors.empty() ? nullptr : &attribute->tensors[0];
  }

 private:
  const OnnxFile& file_;
  std::unordered_map<std::string_view, const formats::OnnxNode*> makers_;
  std::unordered_map<std::string_view, std::vector<const formats::OnnxNode*>> readers_;
};

}  // namespace akin::model

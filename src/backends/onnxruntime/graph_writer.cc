// An ONNX file is one message of Protocol Buffers: what does not change is copied, field by field.
// Numbers of fields: onnx.proto.
#include "backends/onnxruntime/graph_writer.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/protobuf.h"

namespace akin::backends::onnxruntime {
namespace {

using formats::ProtobufField;
using formats::ProtobufReader;
using formats::WireType;

constexpr char kZero[] = "akin.zero";

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void AppendVarint(uint64_t value, std::string& to) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>((value & 0x7F) | 0x80);
  to += static_cast<char>(value);
}
void AppendNumber(uint32_t field, int64_t value, std::string& to) {
  AppendVarint(uint64_t{field} << 3, to);
  AppendVarint(static_cast<uint64_t>(value), to);
}
void AppendFloat(uint32_t field, float value, std::string& to) {
  AppendVarint(uint64_t{field} << 3 | static_cast<uint64_t>(WireType::kFixed32), to);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int i = 0; i < 4; ++i) to += static_cast<char>(bits >> (8 * i) & 0xFF);
}
void AppendBytes(uint32_t field, std::string_view bytes, std::string& to) {
  AppendVarint(uint64_t{field} << 3 | static_cast<uint64_t>(WireType::kBytes), to);
  AppendVarint(bytes.size(), to);
  to.append(bytes);
}
void AppendField(const ProtobufField& field, std::string& to) {
  if (field.type == WireType::kBytes) return AppendBytes(field.number, field.as_string(), to);
  AppendVarint(uint64_t{field.number} << 3 | static_cast<uint64_t>(field.type), to);
  if (field.type == WireType::kVarint) return AppendVarint(field.value, to);
  for (int i = 0; i < (field.type == WireType::kFixed64 ? 8 : 4); ++i)
    to += static_cast<char>(field.value >> (8 * i) & 0xFF);
}

// int64 [n].
std::string Tensor(std::string_view name, std::span<const int64_t> values) {
  std::string tensor;
  AppendNumber(1, static_cast<int64_t>(values.size()), tensor);
  AppendNumber(2, static_cast<int64_t>(formats::OnnxType::kInt64), tensor);
  AppendBytes(8, name, tensor);
  AppendBytes(9, AsText(std::as_bytes(values)), tensor);
  return tensor;
}

// Whether the values are better read where the file has them.
bool StaysInFile(const formats::OnnxTensor& tensor) {
  constexpr size_t kLeastBytes = 1 << 16;
  return !tensor.external && tensor.decoded == nullptr && tensor.bytes.size() >= kLeastBytes;
}

void AppendExternalEntry(std::string_view key, std::string_view value, std::string& to) {
  std::string entry;
  AppendBytes(1, key, entry);
  AppendBytes(2, value, entry);
  AppendBytes(13, entry, to);
}

// Its values are in the file as it was.
std::string WithoutValues(const model::OnnxFile& file, const formats::OnnxTensor& tensor) {
  std::string head;
  for (const int64_t dim : tensor.dims) AppendNumber(1, dim, head);
  AppendNumber(2, static_cast<int64_t>(tensor.type), head);
  AppendBytes(8, tensor.name, head);
  AppendExternalEntry("location", kOriginalFile, head);
  AppendExternalEntry("offset", std::to_string(tensor.bytes.data() - file.bytes().data()), head);
  AppendExternalEntry("length", std::to_string(tensor.bytes.size()), head);
  constexpr int64_t kExternal = 1;
  AppendNumber(14, kExternal, head);
  return head;
}

// `dims`: nothing for one that varies.
std::string ValueInfo(std::string_view name, formats::OnnxType type,
                      std::span<const std::optional<int64_t>> dims) {
  std::string shape, tensor, kind, info;
  for (const auto& dim : dims) {
    std::string written;
    if (dim) AppendNumber(1, *dim, written);
    AppendBytes(1, written, shape);
  }
  AppendNumber(1, static_cast<int64_t>(type), tensor);
  AppendBytes(2, shape, tensor);
  AppendBytes(1, tensor, kind);
  AppendBytes(1, name, info);
  AppendBytes(2, kind, info);
  return info;
}

std::string AxisName(size_t axis) { return "akin.axis." + std::to_string(axis); }

std::string SliceNode(const FirstRowsPlan::Slice& slice) {
  std::string node;
  for (const std::string& input :
       {slice.from, std::string(kZero), std::string(kNumRowsInput), AxisName(slice.axis)}) {
    AppendBytes(1, input, node);
  }
  AppendBytes(2, slice.to, node);
  AppendBytes(3, slice.to, node);
  AppendBytes(4, "Slice", node);
  return node;
}

// The node of `layers`; `input` is what their products read.
std::string LinearNode(std::string_view input, const LinearPlan& plan,
                       std::span<const size_t> layers) {
  std::string attribute, node;
  AppendBytes(1, kLayersAttribute, attribute);
  for (const size_t layer : layers) AppendNumber(8, static_cast<int64_t>(layer), attribute);
  constexpr int64_t kIntsAttribute = 7;
  AppendNumber(20, kIntsAttribute, attribute);
  AppendBytes(1, input, node);
  for (const size_t layer : layers) AppendBytes(2, plan.layers[layer].output, node);
  AppendBytes(3, plan.layers[layers.front()].output, node);
  AppendBytes(4, kLinearOperator, node);
  AppendBytes(5, attribute, node);
  AppendBytes(7, kOwnDomain, node);
  return node;
}

std::string AttentionNode(const AttentionPlan::Layer& layer) {
  constexpr int64_t kFloatAttribute = 1, kIntAttribute = 2;
  std::string heads, scale, node;
  AppendBytes(1, kHeadsAttribute, heads);
  AppendNumber(3, layer.num_heads, heads);
  AppendNumber(20, kIntAttribute, heads);
  AppendBytes(1, kScaleAttribute, scale);
  AppendFloat(2, layer.scale, scale);
  AppendNumber(20, kFloatAttribute, scale);
  for (const std::string& input : {layer.query, layer.key, layer.value})
    AppendBytes(1, input, node);
  if (!layer.mask.empty()) AppendBytes(1, layer.mask, node);
  AppendBytes(2, layer.output, node);
  AppendBytes(3, layer.output, node);
  AppendBytes(4, kAttentionOperator, node);
  AppendBytes(5, heads, node);
  AppendBytes(5, scale, node);
  AppendBytes(7, kOwnDomain, node);
  return node;
}

std::string OwnOpset() {
  std::string opset;
  AppendBytes(1, kOwnDomain, opset);
  AppendNumber(2, 1, opset);
  return opset;
}

class Writer {
 public:
  Writer(const model::OnnxFile& file, std::string_view output, const GraphChanges& changes)
      : file_(file),
        output_(output),
        rows_(changes.first_rows),
        linear_(changes.linear_layers),
        attention_(changes.attention),
        initializers_(InitializersOf(file, changes)) {}

  void Graph(std::span<const std::byte> graph, std::string& to) const {
    size_t node = 0, initializer = 0;
    ProtobufReader reader(graph);
    while (const auto field = reader.Next()) {
      if (field->Is(1, WireType::kBytes)) {
        Node(node++, *field, to);
      } else if (field->Is(5, WireType::kBytes)) {
        const formats::OnnxTensor& tensor = file_.graph().initializers[initializer++];
        if (!initializers_.contains(tensor.name)) continue;
        StaysInFile(tensor) ? AppendBytes(5, WithoutValues(file_, tensor), to)
                            : AppendField(*field, to);
      } else if (field->Is(13, WireType::kBytes)) {
        // The shapes that the exporter has seen: they are others now.
      } else if (field->Is(12, WireType::kBytes) && rows_ != nullptr) {
        // An output: so is this.
      } else {
        AppendField(*field, to);
      }
    }
    if (rows_ != nullptr) AppendInputAndOutput(to);
  }

 private:
  void AppendInputAndOutput(std::string& to) const {
    const auto& outputs = file_.graph().outputs;
    const auto& old = *std::ranges::find(outputs, output_, &formats::OnnxValueInfo::name);
    AppendBytes(12, ValueInfo(output_, old.type, std::vector<std::optional<int64_t>>(3)), to);
    const std::optional<int64_t> one = 1;
    AppendBytes(11, ValueInfo(kNumRowsInput, formats::OnnxType::kInt64, {&one, 1}), to);
    for (const auto& [name, shape] : rows_->shapes) {
      if (IsRead(name)) AppendBytes(5, Tensor(name, shape), to);
    }
    AppendSliceConstants(to);
  }

  // By a node that is still there.
  bool IsRead(std::string_view replacement) const {
    return std::ranges::any_of(rows_->inputs, [&](const auto& input) {
      const size_t node = input.first.first;
      const bool is_gone = attention_ != nullptr &&
                           (attention_->dropped.contains(node) || attention_->nodes.contains(node));
      return input.second == replacement && !is_gone;
    });
  }

  void Node(size_t index, const ProtobufField& field, std::string& to) const {
    if (rows_ != nullptr) {
      if (!rows_->needed[index]) return;
      for (const FirstRowsPlan::Slice& slice : rows_->slices) {
        if (slice.before == index) AppendBytes(1, SliceNode(slice), to);
      }
    }
    if (attention_ != nullptr) {
      if (attention_->dropped.contains(index)) return;
      if (const auto found = attention_->nodes.find(index); found != attention_->nodes.end())
        return AppendBytes(1, AttentionNode(found->second), to);
    }
    if (linear_ != nullptr) {
      if (linear_->absorbed.contains(index)) return;
      if (const auto found = linear_->nodes.find(index); found != linear_->nodes.end()) {
        const std::string* replaced = Replaced(index, 0);
        AppendBytes(1,
                    LinearNode(replaced != nullptr ? std::string_view(*replaced)
                                                   : file_.graph().nodes[index].inputs[0],
                               *linear_, found->second),
                    to);
        return;
      }
    }
    std::string node;
    size_t input = 0;
    ProtobufReader reader(field.bytes);
    while (const auto part = reader.Next()) {
      const bool is_input = part->Is(1, WireType::kBytes);
      const std::string* replaced = is_input ? Replaced(index, input++) : nullptr;
      if (replaced == nullptr) {
        AppendField(*part, node);
      } else {
        AppendBytes(1, *replaced, node);
      }
    }
    AppendBytes(1, node, to);
  }

  // What a node reads instead of one of its inputs; nullptr: the input.
  const std::string* Replaced(size_t node, size_t input) const {
    if (rows_ == nullptr) return nullptr;
    const auto found = rows_->inputs.find({node, input});
    return found == rows_->inputs.end() ? nullptr : &found->second;
  }

  void AppendSliceConstants(std::string& to) const {
    const int64_t zero = 0;
    AppendBytes(5, Tensor(kZero, {&zero, 1}), to);
    std::set<size_t> axes;
    for (const FirstRowsPlan::Slice& slice : rows_->slices) axes.insert(slice.axis);
    for (const size_t axis : axes) {
      const int64_t value = static_cast<int64_t>(axis);
      AppendBytes(5, Tensor(AxisName(axis), {&value, 1}), to);
    }
  }

  const model::OnnxFile& file_;
  std::string_view output_;
  const FirstRowsPlan* rows_;
  const LinearPlan* linear_;
  const AttentionPlan* attention_;
  const std::set<std::string, std::less<>> initializers_;
};

}  // namespace

std::set<std::string, std::less<>> InitializersOf(const model::OnnxFile& file,
                                                  const GraphChanges& changes) {
  std::set<std::string, std::less<>> initializers;
  if (changes.first_rows != nullptr) {
    initializers = changes.first_rows->initializers;
  } else {
    for (const formats::OnnxTensor& tensor : file.graph().initializers)
      initializers.emplace(tensor.name);
  }
  if (changes.linear_layers != nullptr) {
    for (const std::string& name : changes.linear_layers->initializers) initializers.erase(name);
  }
  if (changes.attention != nullptr) {
    for (const std::string& name : changes.attention->initializers) initializers.erase(name);
  }
  return initializers;
}

std::string WriteGraph(const model::OnnxFile& file, std::string_view output,
                       const GraphChanges& changes) {
  const Writer writer(file, output, changes);
  std::string written, graph;
  ProtobufReader reader(file.bytes());
  while (const auto field = reader.Next()) {
    if (!field->Is(7, WireType::kBytes)) {
      AppendField(*field, written);
      continue;
    }
    writer.Graph(field->bytes, graph);
  }
  if (changes.linear_layers != nullptr) AppendBytes(8, OwnOpset(), written);
  AppendBytes(7, graph, written);
  return written;
}

}  // namespace akin::backends::onnxruntime

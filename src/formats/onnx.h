// An ONNX file -> its graph as plain structures, without meaning: which operators make sense and
// what the tensors are for is known elsewhere. Source: onnx.proto (ONNX 1.19, IR version 13).
//
// Everything borrows the file's bytes. Tensors' values are checked for their number only where they
// are stored; those of external files stay names and ranges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::formats {

// Subgraphs in subgraphs, and functions that call functions.
inline constexpr int kMaxOnnxDepth = 16;
// Nodes, attributes, tensors, names of inputs and so on together; also nodes with every function
// call written out. The largest published graphs have some ten thousand nodes.
inline constexpr size_t kMaxOnnxObjects = size_t{1} << 20;

// TensorProto.DataType; values of others are kept as they are.
enum class OnnxType : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kBfloat16 = 16,
  kUint4 = 21,
  kInt4 = 22,
};

// "float", "int64", or "type 23".
std::string OnnxTypeName(OnnxType type);
// Bits of an element; nothing for strings and unknown types.
std::optional<uint64_t> OnnxTypeBits(OnnxType type);

// Where an external tensor's values are, as the file says: not checked.
struct OnnxExternalData {
  std::string_view location;  // Relative to the folder of the ONNX file.
  uint64_t offset = 0;
  std::optional<uint64_t> length;  // Unset: as many bytes as the tensor needs.
};

struct OnnxTensor {
  std::string_view name;
  OnnxType type = OnnxType::kUndefined;
  std::vector<int64_t> dims;  // None is negative.
  // Row-major, little-endian, not aligned; num_bytes() of them unless the values are external or
  // strings.
  std::span<const std::byte> bytes;
  std::optional<OnnxExternalData> external;
  // Holds `bytes` of values that the file has as varints.
  std::shared_ptr<const std::vector<std::byte>> decoded;

  uint64_t num_elements() const;  // The reader has checked that it has one.
  uint64_t num_bytes() const;     // 0 for strings and unknown types.
};

struct OnnxGraph;

struct OnnxAttribute {
  std::string_view name;
  std::optional<int64_t> i;
  std::optional<float> f;
  std::optional<std::string_view> s;
  std::vector<int64_t> ints;
  std::vector<OnnxTensor> tensors;                 // One, or those of a list.
  std::vector<std::unique_ptr<OnnxGraph>> graphs;  // Likewise.
};

// Of the operators that ONNX itself defines.
inline bool IsOnnxDomain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

struct OnnxNode {
  std::string_view name, op_type, domain;
  std::vector<std::string_view> inputs;  // "" stands for one left out.
  std::vector<std::string_view> outputs;
  std::vector<OnnxAttribute> attributes;

  const OnnxAttribute* Find(std::string_view attribute) const;
  // Whether it is this operator of ONNX's own.
  bool Is(std::string_view onnx_type) const { return op_type == onnx_type && IsOnnxDomain(domain); }
  // Likewise, with so many inputs and one output.
  bool Is(std::string_view onnx_type, size_t num_inputs) const {
    return Is(onnx_type) && inputs.size() == num_inputs && outputs.size() == 1;
  }
};

// A dimension of an input or output: a number, or -1 for one that may vary, with its name if it
// has one.
struct OnnxDim {
  int64_t size = -1;
  std::string_view symbol;
};

struct OnnxValueInfo {
  std::string_view name;
  OnnxType type = OnnxType::kUndefined;      // kUndefined also for what is no tensor.
  std::optional<std::vector<OnnxDim>> dims;  // Unset: the rank is not said.
};

struct OnnxGraph {
  std::string_view name;
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> initializers;
  std::vector<OnnxValueInfo> inputs;  // Old files list the initializers among them.
  std::vector<OnnxValueInfo> outputs;
};

struct OnnxFunction {
  std::string_view name, domain;
  std::vector<OnnxNode> nodes;
};

struct OnnxOpset {
  std::string_view domain;
  int64_t version = 0;
};

struct OnnxModel {
  int64_t ir_version = 0;
  std::string_view producer_name;
  std::vector<OnnxOpset> opsets;
  OnnxGraph graph;
  std::vector<OnnxFunction> functions;
};

// `file` is the whole file and outlives the model; `name` stands for it in messages. What holds
// afterwards: sizes agree with types and shapes, no graph or function is nested deeper than
// kMaxOnnxDepth, no function calls itself, every graph's nodes can be put in an order in which each
// input exists before it is used. Errors: InvalidModel, UnsupportedModel (a limit above).
Result<OnnxModel> ParseOnnx(std::span<const std::byte> file, const std::string& name);

}  // namespace akin::formats

// Protocol Buffers' wire format, as bytes of a std::string, and ONNX messages made of it.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace akin::protobuf {

inline std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7F) | 0x80);
  return bytes + static_cast<char>(value);
}

inline std::string Number(int field, int64_t value) {
  return Varint(static_cast<uint64_t>(field) << 3) + Varint(static_cast<uint64_t>(value));
}

inline std::string Bytes(int field, std::string_view bytes) {
  return Varint(static_cast<uint64_t>(field) << 3 | 2) + Varint(bytes.size()).append(bytes);
}

inline std::string Float(int field, float value) {
  std::string bytes = Varint(static_cast<uint64_t>(field) << 3 | 5);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(bits >> (8 * i) & 0xFF);
  return bytes;
}

}  // namespace akin::protobuf

// Parts of an ONNX file; fields by their numbers in onnx.proto.
namespace akin::onnx_file {

using protobuf::Bytes;
using protobuf::Number;

// A tensor without values.
inline std::string TensorHead(std::string_view name, int type, const std::vector<int64_t>& dims) {
  std::string tensor = Bytes(8, name) + Number(2, type);
  for (const int64_t dim : dims) tensor += Number(1, dim);
  return tensor;
}

inline std::string FloatTensor(std::string_view name, const std::vector<int64_t>& dims,
                               const std::vector<float>& values) {
  std::string raw(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return TensorHead(name, 1, dims) + Bytes(9, raw);
}

inline std::string ExternalEntry(std::string_view key, std::string_view value) {
  return Bytes(13, Bytes(1, key) + Bytes(2, value));
}

inline std::string ValueInfo(std::string_view name, int type, const std::vector<int64_t>& dims) {
  std::string shape;
  // Negative: may vary, under a name.
  for (const int64_t dim : dims) shape += Bytes(1, dim >= 0 ? Number(1, dim) : Bytes(2, "n"));
  return Bytes(1, name) + Bytes(2, Bytes(1, Number(1, type) + Bytes(2, shape)));
}

inline std::string Node(std::string_view op_type, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, std::string_view attributes = "",
                        std::string_view domain = "") {
  std::string node;
  for (const std::string& input : inputs) node += Bytes(1, input);
  for (const std::string& output : outputs) node += Bytes(2, output);
  node += Bytes(4, op_type);
  node += attributes;
  if (!domain.empty()) node += Bytes(7, domain);
  return node;
}

inline std::string Opset(int64_t version, std::string_view domain = "") {
  return Bytes(8, Bytes(1, domain) + Number(2, version));
}

inline std::string Model(std::string_view graph, std::string_view rest = Opset(17)) {
  return Number(1, 8) + Bytes(7, graph) + std::string(rest);
}

}  // namespace akin::onnx_file

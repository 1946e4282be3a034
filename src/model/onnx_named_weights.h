// The weights of an ONNX graph, each with the name that it has in safetensors, and their numbers in
// f32 (onnx_weights.h says how the names are found).
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "formats/onnx.h"
#include "model/onnx_file.h"
#include "model/onnx_values.h"

namespace akin::model {

// A stored matrix of integers: value = (q - zero_point) * scale; one scale, or one a column.
struct Quantization {
  const formats::OnnxTensor* scale = nullptr;
  const formats::OnnxTensor* zero_point = nullptr;
};

struct NamedWeight {
  std::string name;
  const formats::OnnxTensor* tensor = nullptr;
  bool transposed = false;  // Stored [in, out].
  std::optional<Quantization> quantization;
};

// Finds the weights of a graph.
class WeightFinder {
 public:
  explicit WeightFinder(const OnnxFile& file);

  const std::vector<NamedWeight>& weights() const { return weights_; }
  // Matrices whose name could not be found out, as the file calls them.
  const std::vector<std::string>& nameless() const { return nameless_; }
  const ValueMap& values() const { return values_; }

 private:
  void VisitNode(const formats::OnnxNode& node);
  // MatMulInteger -> Cast -> Mul(scale of the row * scale of the weight) -> Add(bias)
  void VisitMatMulInteger(const formats::OnnxNode& node);
  // The initializer among what `scaled` multiplies `value` with: directly, or in a product of two
  // scales.
  const formats::OnnxTensor* ScaleOf(const formats::OnnxNode& scaled, std::string_view value) const;
  void VisitDequantizeLinear(const formats::OnnxNode& node);
  // A matrix that is multiplied with from the right; `product` is the result.
  void Add(const formats::OnnxTensor* matrix, std::string_view product,
           std::optional<Quantization> quantization);
  // "m.embeddings...", "m.encoder...": what stands in front of all names is the exporter's.
  void StripCommonPrefix();

  const OnnxFile& file_;
  const ValueMap values_;
  std::set<const formats::OnnxTensor*> used_;
  std::vector<NamedWeight> weights_;
  std::vector<std::string> nameless_;
};

// The numbers of a weight, [out, in].
class Materializer {
 public:
  Materializer(const OnnxFile& file, const NamedWeight& weight) : file_(file), weight_(weight) {}

  // Whether the file's bytes are the values as they are to be.
  bool is_plain() const { return !weight_.transposed && !weight_.quantization; }

  // Error: UnsupportedModel, of a type or a form of quantization that is not known.
  Status Check() const;
  // Values of what is not plain are f32.
  size_t num_bytes() const;
  // `out` has num_bytes().
  void Write(std::span<std::byte> out) const;

 private:
  void CopyPlain(std::span<std::byte> out) const;
  float ValueAt(std::span<const std::byte> values, size_t i, size_t column) const;

  const OnnxFile& file_;
  const NamedWeight& weight_;
};

// Element i of a tensor of f32.
float FloatAt(std::span<const std::byte> bytes, size_t i);

}  // namespace akin::model

// The weights of an ONNX graph, each with the name that it has in safetensors, and the numbers of
// those that are stored in another way (onnx_weights.h says how the names are found).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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
#include "model/tensor.h"

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

  // Whether the file's numbers are those that are wanted, in their order.
  bool is_plain() const { return !transposed && !quantization; }
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

// Error: UnsupportedModel, of a type or a form of quantization whose numbers cannot be made.
Status CheckForm(const OnnxFile& file, const NamedWeight& weight);

// The numbers of a weight that is not plain, [out, in]. If they come to be made in another way,
// what older programs have packed of them is not theirs: kWeightOrder of the native backend is to
// be raised. Of a file, only what is not transposed is read by the system (model/tensor_file.h).
class WeightMaker final : public TensorMaker {
 public:
  // Borrows what the weight's numbers are in, a file or memory. Error: as CheckForm's.
  static Result<std::shared_ptr<const TensorMaker>> Create(const OnnxFile& file,
                                                           const NamedWeight& weight);

  void Make(int64_t first, std::span<float> out) const override;

 private:
  WeightMaker(const OnnxFile& file, const NamedWeight& weight);
  void MakeInOrder(size_t first, std::span<float> out) const;
  void MakeTransposed(size_t first, std::span<float> out) const;
  // Of the number that is stored at place `i` of `stored`.
  float ValueAt(std::span<const std::byte> stored, size_t i, size_t column) const;

  formats::OnnxType type_;
  bool transposed_;
  size_t rows_ = 0, columns_ = 0;  // As they are stored.
  std::span<const std::byte> stored_;
  const TensorFile* source_;          // Of what stays in use. Null: in memory.
  std::vector<float> scales_;         // One, or one a column; none: numbers are f32.
  std::vector<int32_t> zero_points_;  // Likewise; none: 0.
};

// Element i of a tensor of f32.
float FloatAt(std::span<const std::byte> bytes, size_t i);

}  // namespace akin::model

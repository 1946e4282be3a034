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
#include "model/onnx_dequantize.h"
#include "model/onnx_file.h"
#include "model/onnx_values.h"
#include "model/tensor.h"

namespace akin::model {

struct NamedWeight {
  std::string name;
  const formats::OnnxTensor* tensor = nullptr;
  bool transposed = false;  // Stored [in, out].
  bool product = false;     // Of the one MatMul or MatMulInteger that reads it.
  std::optional<Quantization> quantization;

  // Whether the file's numbers are those that are wanted, in their order.
  bool is_plain() const { return !transposed && !quantization; }
};

// Finds the weights of a graph.
class WeightFinder {
 public:
  explicit WeightFinder(const OnnxFile& file);

  const std::vector<NamedWeight>& weights() const { return weights_; }
  // Matrices whose name could not be found out, or that are those of several products, as the file
  // calls them.
  const std::vector<std::string>& nameless() const { return nameless_; }
  struct UnknownWeight {
    const formats::OnnxNode* reader = nullptr;
    std::string maker;  // As DescribeUnknownWeight says it.
  };
  const std::vector<UnknownWeight>& unknown() const { return unknown_; }
  const ValueMap& values() const { return values_; }

 private:
  void VisitNode(const formats::OnnxNode& node);
  // MatMulInteger -> Cast -> Mul(scale of the row * scale of the weight) -> Add(bias)
  void VisitMatMulInteger(const formats::OnnxNode& node);
  // The initializer among what `scaled` multiplies `value` with: directly, or in a product of two
  // scales.
  const formats::OnnxTensor* ScaleOf(const formats::OnnxNode& scaled, std::string_view value) const;
  // The last node of a weight that is dequantized, or of none.
  void VisitDequantized(const formats::OnnxNode& node);
  // `input` of `node` is the place of a weight.
  void VisitReader(const formats::OnnxNode& node, std::string_view input);
  // An initializer under the name of a copy of it, as which it may be read.
  void AddCopy(const formats::OnnxNode& node);
  // A matrix that is multiplied with from the right, stored [in, out] if `transposed`; `product` is
  // the result.
  void Add(const formats::OnnxTensor* matrix, bool transposed, std::string_view product,
           std::optional<Quantization> quantization);
  // "m.embeddings...", "m.encoder...": what stands in front of all names is the exporter's.
  void StripCommonPrefix();

  const OnnxFile& file_;
  const ValueMap values_;
  std::set<const formats::OnnxTensor*> used_;
  std::set<const formats::OnnxTensor*> multiplied_;
  std::vector<NamedWeight> weights_;
  std::vector<std::string> nameless_;
  std::vector<UnknownWeight> unknown_;
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
  // Of the number that is stored at place `i` of `stored`, and is in that row and column.
  float ValueAt(std::span<const std::byte> stored, size_t i, size_t row, size_t column) const;

  // Numbers of rows or of columns, or one of all: that of a place is at row * of_row + column *
  // of_column.
  struct Steps {
    std::vector<float> values;
    size_t of_row = 0, of_column = 0;

    float At(size_t row, size_t column) const { return values[row * of_row + column * of_column]; }
  };
  static Steps StepsOf(const OnnxFile& file, const formats::OnnxTensor& tensor, Spread spread);

  formats::OnnxType type_;
  bool transposed_;
  size_t rows_ = 0, columns_ = 0;  // As they are stored.
  std::span<const std::byte> stored_;
  const TensorFile* source_;          // Of what stays in use. Null: in memory.
  std::optional<Steps> scales_;       // None: the stored numbers are f32.
  std::optional<Steps> zero_points_;  // None: 0.
};

// Element i of a tensor of f32.
float FloatAt(std::span<const std::byte> bytes, size_t i);

}  // namespace akin::model

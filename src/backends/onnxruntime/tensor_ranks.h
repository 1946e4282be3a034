// How many dimensions the tensors of a graph have, and which are small constants: as far as that
// follows from the operators' definitions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/onnx_file.h"

namespace akin::backends::onnxruntime {

class TensorRanks {
 public:
  // The nodes stand in an order in which each input exists before it is used.
  explicit TensorRanks(const model::OnnxFile& file);

  // Nothing: not known.
  std::optional<size_t> Of(std::string_view tensor) const;
  // The values of an int64 tensor of at most 16 of them that the file holds.
  std::optional<std::vector<int64_t>> Constant(std::string_view tensor) const;

 private:
  void AddStored(std::string_view name, const formats::OnnxTensor& tensor,
                 const model::OnnxFile& file);
  std::optional<size_t> LengthOf(std::string_view tensor) const;
  std::optional<size_t> LengthOf(const formats::OnnxNode& node) const;
  std::optional<size_t> RankOf(const formats::OnnxNode& node) const;
  std::optional<size_t> RankOfUnsqueeze(const formats::OnnxNode& node) const;
  std::optional<size_t> LargestOf(std::span<const std::string_view> tensors) const;

  std::unordered_map<std::string_view, size_t> ranks_;
  std::unordered_map<std::string_view, size_t> lengths_;  // Of those with one dimension.
  std::unordered_map<std::string_view, std::vector<int64_t>> constants_;
};

}  // namespace akin::backends::onnxruntime

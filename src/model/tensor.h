// A named tensor whose numbers stay where they are stored, in a file or in a graph.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace akin::model {

enum class DataType { kF32, kF16, kBf16 };

class TensorFile;

// Row-major; its bytes may be unaligned and are valid as long as the TensorIndex that they come
// from, or a copy of it.
struct Tensor {
  std::string name;
  std::string file;  // For messages.
  DataType dtype = DataType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
  const TensorFile* source = nullptr;  // What they are read through; null: they are in memory.

  bool empty() const { return shape.empty(); }  // Not there.
  int64_t num_elements() const;
  // Rows [first, first + count) of the first dimension.
  Tensor Rows(int64_t first, int64_t count) const;
};

// Converts `out.size()` elements from `first` on to f32 (exact for F16 and BF16). What a file does
// not have any more is NaN, and TensorFiles::CheckIntact says so.
void ReadF32(const Tensor& tensor, int64_t first, std::span<float> out);
// All of them.
std::vector<float> ReadAll(const Tensor& tensor);

// Tells the system that the pages of `tensor`, where it lies in a mapped file, are not needed soon;
// reading them again works and costs a page fault.
void DropPages(const Tensor& tensor);

// A dimension, and which key says how large it is: {"hidden_size", 384}.
struct Dim {
  std::string_view key;
  int64_t size;
};

}  // namespace akin::model

// A named tensor whose numbers stay where they are stored, in a file or in a graph.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace akin::model {

enum class DataType { kF32, kF16, kBf16 };

class TensorFile;

// Makes the numbers of a tensor out of others that are stored, transposed or quantized, when they
// are asked for. Of any thread.
class TensorMaker {
 public:
  virtual ~TensorMaker() = default;
  // Those from `first` on of all of the tensor, row by row.
  virtual void Make(int64_t first, std::span<float> out) const = 0;
};

// Row-major; its bytes may be unaligned and are valid as long as the TensorIndex that they come
// from, or a copy of it.
struct Tensor {
  std::string name;
  std::string file;  // For messages.
  DataType dtype = DataType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;
  const TensorFile* source = nullptr;  // What they are read through; null: they are in memory.
  // Where this is, there are no bytes: the numbers are made, f32, from its number `first` on.
  std::shared_ptr<const TensorMaker> maker = nullptr;
  int64_t first = 0;

  bool empty() const { return shape.empty(); }  // Not there.
  int64_t num_elements() const;
  // Rows [first_row, first_row + count) of the first dimension.
  Tensor Rows(int64_t first_row, int64_t count) const;
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

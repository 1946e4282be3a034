#include "model/tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/mapped_file.h"
#include "model/tensor_file.h"

namespace akin::model {
namespace {

size_t ElementBytes(DataType dtype) { return dtype == DataType::kF32 ? 4 : 2; }

// Half precision by integer steps: multiplying a denormal would depend on the thread's
// floating-point mode.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16, magnitude = half & 0x7FFFu;
  uint32_t bits =
      (magnitude << 13) + (112u << 23);  // The exponent's bias is 15 in a half, 127 in a float.
  if (magnitude >= 0x7C00u) bits += 112u << 23;  // Infinity and NaN.
  if (magnitude < 0x0400u) {  // Zero and denormals: 2^-14 * (1 + fraction) - 2^-14.
    bits = std::bit_cast<uint32_t>(std::bit_cast<float>((magnitude << 13) + (113u << 23)) -
                                   std::bit_cast<float>(113u << 23));
  }
  return std::bit_cast<float>(bits | sign);
}

template <typename Convert>
void Read16(const std::byte* from, std::span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + i * sizeof bits, sizeof bits);
    out[i] = convert(bits);
  }
}

void Convert(DataType dtype, const std::byte* from, std::span<float> out) {
  switch (dtype) {
    case DataType::kF32: std::memcpy(out.data(), from, out.size_bytes()); return;
    case DataType::kF16: return Read16(from, out, HalfToFloat);
    case DataType::kBf16:
      return Read16(from, out,
                    [](uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); });
  }
}

}  // namespace

int64_t Tensor::num_elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

Tensor Tensor::Rows(int64_t first_row, int64_t count) const {
  Tensor part = *this;
  const size_t row_bytes = shape[0] > 0 ? bytes.size() / static_cast<size_t>(shape[0]) : 0;
  part.shape[0] = count;
  if (maker != nullptr) {
    part.first += first_row * (shape[0] > 0 ? num_elements() / shape[0] : 0);
    return part;
  }
  part.bytes = bytes.subspan(static_cast<size_t>(first_row) * row_bytes,
                             static_cast<size_t>(count) * row_bytes);
  return part;
}

void ReadF32(const Tensor& tensor, int64_t first, std::span<float> out) {
  if (tensor.maker != nullptr) return tensor.maker->Make(tensor.first + first, out);
  const std::byte* from =
      tensor.bytes.data() + static_cast<size_t>(first) * ElementBytes(tensor.dtype);
  if (tensor.source == nullptr) return Convert(tensor.dtype, from, out);
  if (tensor.dtype == DataType::kF32) return tensor.source->Read(from, std::as_writable_bytes(out));
  constexpr size_t kChunk = 2048;  // Elements.
  std::byte halves[kChunk * 2];
  while (!out.empty()) {
    const std::span<float> chunk = out.first(std::min(kChunk, out.size()));
    tensor.source->Read(from, {halves, chunk.size() * 2});
    Convert(tensor.dtype, halves, chunk);
    from += chunk.size() * 2;
    out = out.subspan(chunk.size());
  }
}

std::vector<float> ReadAll(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.num_elements()));
  ReadF32(tensor, 0, values);
  return values;
}

void DropPages(const Tensor& tensor) { DropMappedPages(tensor.bytes); }

}  // namespace akin::model

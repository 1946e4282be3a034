// What operators of our own have in common, as ONNX Runtime calls them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/onnxruntime/library.h"

namespace akin::backends::onnxruntime {

// An operator of float32 values with one required input and one required output: what of it is the
// same for all. Names, numbers of inputs and the kernel are still to be set.
OrtCustomOp PlainOperator();

// An input, borrowed for a call.
struct InputTensor {
  static constexpr size_t kMaxRank = 8;
  bool is_there = false;        // It may be left out.
  const float* data = nullptr;  // Also where there are no elements.
  std::array<int64_t, kMaxRank> dims{};
  size_t rank = 0;  // At least 1.
  size_t elements = 0;

  size_t dim(size_t axis) const { return static_cast<size_t>(dims[axis]); }
};

// Each gives the error, or nullptr.
OrtStatus* ReadInput(const OrtApi& api, const OrtKernelContext* context, size_t index,
                     InputTensor& tensor) noexcept;
OrtStatus* MakeOutput(const OrtApi& api, OrtKernelContext* context, size_t index,
                      std::span<const int64_t> dims, float*& data) noexcept;

}  // namespace akin::backends::onnxruntime

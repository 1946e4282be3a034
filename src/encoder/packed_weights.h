// The model's linear layers in the layout of the kernels.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/kernels.h"
#include "model/weights.h"

namespace akin::encoder {

// What one product computes: linear layers with the same input, their outputs side by side (query |
// key | value), or a gate and the values that it is for.
class LinearSource {
 public:
  // The parts outlive this object.
  static LinearSource SideBySide(std::vector<const model::Linear*> parts);
  static LinearSource Gated(const model::Linear& gate, const model::Linear& values);

  // Its shape; `panels` is not set.
  const kernels::PackedLinear& shape() const { return shape_; }
  size_t PackedBytes(const kernels::Kernels& kernels) const {
    return kernels::PackedBytes(kernels, shape_);
  }
  // Packs into `memory`, which has room for PackedBytes and is 64-byte aligned.
  kernels::PackedLinear Pack(const kernels::Kernels& kernels, std::byte* memory) const;

 private:
  // A row of a part's tensors, or none: past the last output.
  struct Row {
    const model::Linear* part = nullptr;
    size_t row = 0;
  };
  // That of a panel's column.
  Row Find(size_t panel, size_t column, size_t panel_width) const;

  std::vector<const model::Linear*> parts_;
  kernels::PackedLinear shape_;
};

}  // namespace akin::encoder

#include "encoder/packed_weights.h"

#include <algorithm>
#include <span>
#include <vector>

namespace akin::encoder {

kernels::PackedLinear PackLinear(const kernels::Kernels& kernels,
                                 std::initializer_list<const model::Linear*> parts,
                                 std::byte* memory) {
  const size_t k = static_cast<size_t>((*parts.begin())->weight.shape[1]);
  const size_t width = kernels.linear.panel_width;
  std::vector<float> rows(width * k), bias(width);
  size_t filled = 0, n = 0;
  std::byte* panel = memory;
  const auto flush = [&] {
    std::fill(rows.begin() + static_cast<ptrdiff_t>(filled * k), rows.end(), 0.0f);
    std::fill(bias.begin() + static_cast<ptrdiff_t>(filled), bias.end(), 0.0f);
    kernels.linear.pack_panel({rows.data(), width, k}, bias, panel);
    panel += kernels.linear.panel_bytes(k);
    filled = 0;
  };
  for (const model::Linear* part : parts) {
    const size_t outputs = static_cast<size_t>(part->weight.shape[0]);
    for (size_t row = 0; row < outputs;) {
      const size_t count = std::min(width - filled, outputs - row);
      model::ReadF32(part->weight, static_cast<int64_t>(row * k),
                     std::span(rows).subspan(filled * k, count * k));
      model::ReadF32(part->bias, static_cast<int64_t>(row), std::span(bias).subspan(filled, count));
      row += count;
      filled += count;
      if (filled == width) flush();
    }
    n += outputs;
    model::DropPages(part->weight);  // Packed: the mapped copy need not stay in memory.
  }
  if (filled > 0) flush();
  return {.panels = memory, .n = n, .k = k};
}

}  // namespace akin::encoder

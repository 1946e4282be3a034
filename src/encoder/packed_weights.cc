#include "encoder/packed_weights.h"

#include <algorithm>
#include <span>
#include <utility>

namespace akin::encoder {

LinearSource LinearSource::SideBySide(std::vector<const model::Linear*> parts) {
  LinearSource source;
  for (const model::Linear* part : parts) {
    source.shape_.n += static_cast<size_t>(part->outputs());
    source.shape_.k = static_cast<size_t>(part->inputs());
  }
  source.parts_ = std::move(parts);
  return source;
}

LinearSource LinearSource::Gated(const model::Linear& gate, const model::Linear& values) {
  LinearSource source;
  source.parts_ = {&gate, &values};
  source.shape_ = {.n = static_cast<size_t>(values.outputs()),
                   .k = static_cast<size_t>(values.inputs()),
                   .gated = true};
  return source;
}

LinearSource::Row LinearSource::Find(size_t panel, size_t column, size_t panel_width) const {
  Row found;
  size_t output = panel * panel_width + column;
  if (shape_.gated) {
    const size_t half = panel_width / 2;
    output = panel * half + column % half;
    if (output < shape_.n) found = {parts_[column / half], output};
  } else {
    for (const model::Linear* part : parts_) {
      const size_t outputs = static_cast<size_t>(part->outputs());
      if (output < outputs) {
        found = {part, output};
        break;
      }
      output -= outputs;
    }
  }
  if (found.part != nullptr && !found.part->rows.empty())
    found.row = static_cast<size_t>(found.part->rows[found.row]);
  return found;
}

kernels::PackedLinear LinearSource::Pack(const kernels::Kernels& kernels, std::byte* memory) const {
  const size_t width = kernels.linear.panel_width, k = shape_.k;
  const size_t panels = kernels::NumPanels(kernels, shape_);
  std::vector<float> rows(width * k), bias(width);
  for (size_t panel = 0; panel < panels; ++panel) {
    std::ranges::fill(bias, 0.0f);
    for (size_t column = 0; column < width; ++column) {
      const std::span<float> out = std::span(rows).subspan(column * k, k);
      const Row source = Find(panel, column, width);
      if (source.part == nullptr) {
        std::ranges::fill(out, 0.0f);
        continue;
      }
      model::ReadF32(source.part->weight, static_cast<int64_t>(source.row * k), out);
      if (!source.part->bias.empty())
        model::ReadF32(source.part->bias, static_cast<int64_t>(source.row), {&bias[column], 1});
    }
    kernels.linear.pack_panel({rows.data(), width, k}, bias,
                              memory + panel * kernels.linear.panel_bytes(k));
  }
  // Packed: the mapped copy need not stay in memory.
  for (const model::Linear* part : parts_) model::DropPages(part->weight);
  kernels::PackedLinear packed = shape_;
  packed.panels = memory;
  return packed;
}

}  // namespace akin::encoder

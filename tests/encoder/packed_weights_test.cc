// How rows of several tensors come together in one product, seen through the product itself.
#include "encoder/packed_weights.h"

#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "base/aligned_buffer.h"

namespace akin::encoder {
namespace {

constexpr size_t kInputs = 3;

// Row r of the weights is [first + r, 0, 0], its bias 100 * (first + r).
struct Numbers {
  explicit Numbers(size_t outputs, float first) : weight(outputs * kInputs), bias(outputs) {
    for (size_t r = 0; r < outputs; ++r) {
      weight[r * kInputs] = first + static_cast<float>(r);
      bias[r] = 100.0f * (first + static_cast<float>(r));
    }
  }
  model::Linear Linear(std::vector<int32_t> rows = {}) const {
    const auto size = static_cast<int64_t>(bias.size());
    return {.weight = {.shape = {size, kInputs}, .bytes = std::as_bytes(std::span(weight))},
            .bias = {.shape = {size}, .bytes = std::as_bytes(std::span(bias))},
            .rows = std::move(rows)};
  }
  std::vector<float> weight, bias;
};

std::vector<float> Multiply(const LinearSource& source, std::vector<float> input) {
  const kernels::Kernels kernels = kernels::ScalarKernels(Precision::kF32);
  const AlignedBuffer memory(source.PackedBytes(kernels));
  const kernels::PackedLinear packed = source.Pack(kernels, memory.As<std::byte>().data());
  std::vector<float> output(packed.n);
  kernels.linear.linear(
      {.input = {reinterpret_cast<const std::byte*>(input.data()), 1, kInputs * sizeof(float)},
       .linear = packed,
       .output = {.f32 = {output.data(), 1, packed.n}, .bf16 = {}},
       .first_panel = 0,
       .last_panel = kernels::NumPanels(kernels, packed)});
  return output;
}

TEST(LinearSource, PartsStandSideBySide) {
  const Numbers a(20, 0.0f), b(5, 1000.0f);
  const model::Linear first = a.Linear(), second = b.Linear();
  const std::vector<float> y = Multiply(LinearSource::SideBySide({&first, &second}), {1, 0, 0});
  ASSERT_EQ(y.size(), 25u);
  for (size_t j = 0; j < 25; ++j) {
    const float row = j < 20 ? static_cast<float>(j) : 1000.0f + static_cast<float>(j - 20);
    EXPECT_EQ(y[j], row * 101.0f) << j;
  }
}

TEST(LinearSource, RowsOfAPackedTensorComeInTheirOrder) {
  const Numbers packed(6, 0.0f);
  const model::Linear odd = packed.Linear({5, 3, 1}), even = packed.Linear({0, 4});
  EXPECT_EQ(Multiply(LinearSource::SideBySide({&odd, &even}), {1, 0, 0}),
            (std::vector<float>{505, 303, 101, 0, 404}));
}

TEST(LinearSource, GateAndValuesMeet) {
  const Numbers gates(11, 1.0f), numbers(11, 50.0f);
  const model::Linear gate = gates.Linear(), values = numbers.Linear();
  const std::vector<float> y = Multiply(LinearSource::Gated(gate, values), {1, 0, 0});
  ASSERT_EQ(y.size(), 11u);
  for (size_t j = 0; j < 11; ++j) {
    const float row = static_cast<float>(j);
    EXPECT_EQ(y[j], (1.0f + row) * 101.0f * ((50.0f + row) * 101.0f)) << j;
  }
}

}  // namespace
}  // namespace akin::encoder

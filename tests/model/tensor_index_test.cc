#include "model/tensor_index.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/model_directory.h"
#include "support/expect_error.h"
#include "support/tiny_bert.h"

namespace akin::model {
namespace {

std::string Int64s(const std::vector<int64_t>& values) {
  std::string bytes;
  for (const int64_t value : values) bytes += LittleEndian64(static_cast<uint64_t>(value));
  return bytes;
}

Result<TensorIndex> Open(const TemporaryFolder& folder, std::string_view module = "") {
  AKIN_TRY_ASSIGN(const ModelDirectory directory, ModelDirectory::Open(folder.path().string()));
  return TensorIndex::Open(directory, module);
}

TEST(TensorIndex, ModuleFolderHasTensorsOfItsOwn) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "2_Dense");
  TinyBert dense;
  dense.tensors.clear();
  dense.Add("linear.weight", {2, 3});
  folder.Write("2_Dense/model.safetensors", SafetensorsFile(dense.tensors));
  const auto index = Open(folder, "2_Dense");
  ASSERT_TRUE(index) << index.error().message();
  EXPECT_TRUE(index->Contains("linear.weight"));
  EXPECT_FALSE(index->Contains("linear.bias"));
  EXPECT_TRUE(index->ContainsPrefix("linear."));
  EXPECT_FALSE(index->ContainsPrefix("bert."));
  const auto weight = index->Get("linear.weight", {{"out_features", 2}, {"in_features", 3}});
  ASSERT_TRUE(weight) << weight.error().message();
  EXPECT_EQ(ReadAll(*weight).size(), 6u);
  EXPECT_EQ(ReadAll(weight->Rows(1, 1)), (std::vector<float>{21003, 21004, 21005}));
  ExpectError(index->Get("linear.weight", {{"out_features", 4}, {"in_features", 3}}),
              ErrorCode::kInvalidModel, "2_Dense/model.safetensors", "linear.weight", "[2, 3]",
              "out_features 4");
  ExpectError(Open(folder), ErrorCode::kModelNotFound, "model.safetensors");
}

TEST(TensorIndex, PickleInAModuleFolderIsNamedWithItsFolder) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder / "2_Dense");
  folder.Write("2_Dense/pytorch_model.bin", "\x80\x04");
  ExpectError(Open(folder, "2_Dense"), ErrorCode::kUnsupportedModel, "2_Dense/pytorch_model.bin");
}

TEST(TensorIndex, IntegersAreReadAsSuchAndNotAsWeights) {
  TemporaryFolder folder;
  const TinyTensors tensors = {{"mapping", {"I64", {3}, Int64s({2, 0, -1})}},
                               {"scalar", {"F32", {}, std::string(4, '\0')}}};
  folder.Write("model.safetensors", SafetensorsFile(tensors));
  const auto index = Open(folder);
  ASSERT_TRUE(index) << index.error().message();
  EXPECT_EQ(index->GetIntegers("mapping", {"vocab_size", 3}).value(),
            (std::vector<int64_t>{2, 0, -1}));
  ExpectError(index->GetIntegers("mapping", {"vocab_size", 4}), ErrorCode::kInvalidModel, "mapping",
              "[3]", "vocab_size 4");
  ExpectError(index->Get("mapping", {{"vocab_size", 3}}), ErrorCode::kUnsupportedModel, "mapping",
              "I64");
  ExpectError(index->GetIntegers("absent", {"vocab_size", 3}), ErrorCode::kInvalidModel, "absent",
              "missing");
  EXPECT_EQ(index->Shape("scalar").value(), std::vector<int64_t>());
  EXPECT_FALSE(index->Shape("absent"));
}

TEST(TensorIndex, TensorsFromElsewhereLiveAsLongAsTheirOwner) {
  auto numbers = std::make_shared<const std::vector<float>>(std::vector<float>{1, 2});
  Tensor tensor{.name = "w", .file = "model.onnx", .shape = {2}, .bytes = {}};
  tensor.bytes = std::as_bytes(std::span(*numbers));
  const TensorIndex index({tensor}, numbers, "model.onnx");
  const std::weak_ptr<const void> alive = numbers;
  numbers.reset();
  EXPECT_FALSE(alive.expired());
  EXPECT_EQ(ReadAll(*index.Get("w", {{"hidden_size", 2}})), (std::vector<float>{1, 2}));
  ExpectError(index.Get("v", {{"hidden_size", 2}}), ErrorCode::kInvalidModel, "model.onnx", "v");
}

}  // namespace
}  // namespace akin::model

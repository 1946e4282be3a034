// The same model's weights in safetensors, in its ONNX export and in the quantized export.
#include "model/onnx_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>

#include "model/model_directory.h"
#include "model/onnx_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace akin::model {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(AKIN_TEST_DATA) / "onnx/bert-onnx";

ModelDirectory Open(const fs::path& path) { return *ModelDirectory::Open(path.string()); }

struct Difference {
  float largest = 0;
  size_t compared = 0;
};

// Between the tensors of `onnx` and those of the same name and shape in safetensors.
Difference Compare(const ModelWeights& a, const ModelWeights& b) {
  Difference difference;
  const auto compare = [&](const Tensor& x, const Tensor& y) {
    ASSERT_EQ(x.shape, y.shape) << x.name;
    const std::vector<float> left = ReadAll(x), right = ReadAll(y);
    for (size_t i = 0; i < left.size(); ++i)
      difference.largest = std::max(difference.largest, std::abs(left[i] - right[i]));
    ++difference.compared;
  };
  compare(a.word_embeddings, b.word_embeddings);
  compare(a.position_embeddings, b.position_embeddings);
  compare(a.token_type_embeddings, b.token_type_embeddings);
  compare(a.embedding_norm.weight, b.embedding_norm.weight);
  for (size_t i = 0; i < a.layers.size(); ++i) {
    const LayerWeights &x = a.layers[i], &y = b.layers[i];
    for (const auto part :
         {&LayerWeights::query, &LayerWeights::key, &LayerWeights::value,
          &LayerWeights::attention_output, &LayerWeights::intermediate, &LayerWeights::output}) {
      compare((x.*part).weight, (y.*part).weight);
      compare((x.*part).bias, (y.*part).bias);
    }
    compare(x.attention_norm.bias, y.attention_norm.bias);
    compare(x.feed_forward_norm.weight, y.feed_forward_norm.weight);
  }
  return difference;
}

TEST(OnnxWeights, TransposedMatricesWithoutNamesAreThoseOfSafetensors) {
  const ModelDirectory directory = Open(kModel);
  const ModelConfig config = *LoadModelConfig(directory);
  const auto safetensors = LoadWeights(directory, config);
  ASSERT_TRUE(safetensors) << safetensors.error().message();
  const auto onnx = LoadOnnxWeights(directory, config);
  ASSERT_TRUE(onnx) << onnx.error().message();
  const Difference difference = Compare(*safetensors, *onnx);
  EXPECT_EQ(difference.largest, 0.0f);
  EXPECT_EQ(difference.compared, 4u + 2u * 14u);
  EXPECT_EQ(onnx->num_parameters, safetensors->num_parameters);
}

TEST(OnnxWeights, WhatAHeadHasLoadedOfTheFileIsNotCopiedAgain) {
  const ModelDirectory directory = Open(kModel);
  const ModelConfig config = *LoadModelConfig(directory);
  const auto alone = LoadOnnxWeights(directory, config);
  ASSERT_TRUE(alone) << alone.error().message();
  const std::string& name = alone->word_embeddings.name;
  const auto weights_of = [&](const std::string& file, std::optional<TensorIndex>& loaded) {
    const OnnxFile onnx = *OnnxFile::Open(directory, file);
    // Exporters put something in front.
    const auto& tensors = onnx.graph().initializers;
    const auto table = std::ranges::find_if(
        tensors, [&](const formats::OnnxTensor& tensor) { return tensor.name.ends_with(name); });
    if (table == tensors.end()) ADD_FAILURE() << name;
    loaded = *OnnxTensors(onnx, OnnxValues::kCopied, std::array{&*table});
    return *LoadOnnxWeights(directory, config, &*loaded);
  };
  std::optional<TensorIndex> loaded;
  const ModelWeights weights = weights_of(*DefaultOnnxFile(directory), loaded);
  const Tensor table =
      *loaded->Get(name, {{"vocab_size", config.vocab_size}, {"hidden_size", config.hidden_size}});
  EXPECT_EQ(weights.word_embeddings.bytes.data(), table.bytes.data());
  loaded.reset();  // The weights keep it alive.
  EXPECT_EQ(Compare(*alone, weights).largest, 0.0f);
}

// A copy of the model with one ONNX file and no other weights.
class OnnxOnlyFolder {
 public:
  explicit OnnxOnlyFolder(const std::string& onnx_file) {
    fs::copy(kModel / "config.json", folder_ / "config.json");
    fs::create_directories(folder_ / "onnx");
    fs::copy(kModel / "onnx" / onnx_file, folder_ / "onnx/model.onnx");
  }
  ModelDirectory Open() const { return *ModelDirectory::Open(folder_.path().string()); }
  const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
};

TEST(OnnxWeights, QuantizedOnesAreDequantized) {
  const OnnxOnlyFolder folder("model_quantized.onnx");
  const ModelConfig config = *LoadModelConfig(folder.Open());
  const auto quantized = LoadWeights(folder.Open(), config);
  ASSERT_TRUE(quantized) << quantized.error().message();
  const auto exact = LoadWeights(Open(kModel), config);
  const Difference difference = Compare(*exact, *quantized);
  // Half a step of the word embeddings, which reach from -4.499 to 4.698, in 255 steps.
  EXPECT_GT(difference.largest, 0.0f);
  EXPECT_LT(difference.largest, (4.698f + 4.499f) / 255 / 2 * 1.001f);
}

TEST(OnnxWeights, AGraphIsTakenOnlyForWhatItsConfigurationSays) {
  const OnnxOnlyFolder folder("model.onnx");
  const ModelConfig right = *LoadModelConfig(folder.Open());
  EXPECT_TRUE(CheckOnnxEncoder(folder.Open(), right));
  const auto expect_doubt = [&](auto change, std::string_view mention) {
    ModelConfig config = right;
    change(config);
    ExpectError(CheckOnnxEncoder(folder.Open(), config), ErrorCode::kUnsupportedModel,
                "onnx/model.onnx", "backend onnxruntime runs it", mention);
  };
  expect_doubt([](ModelConfig& c) { c.num_hidden_layers = 1; }, "products with weights");
  expect_doubt([](ModelConfig& c) { c.hidden_act = Activation::kRelu; }, "activations");
  expect_doubt([](ModelConfig& c) { c.layer_norm_eps = 1e-5f; }, "epsilon");
  expect_doubt([](ModelConfig& c) { c.norm_placement = NormPlacement::kPre; }, "not looked into");
  expect_doubt([](ModelConfig& c) { c.convolution = Convolution{.kernel_size = 3, .act = {}}; },
               "not looked into");
  ModelConfig wide = right;
  wide.hidden_size = wide.embedding_size = 64;
  ExpectError(CheckOnnxEncoder(folder.Open(), wide), ErrorCode::kInvalidModel, "hidden_size");
}

}  // namespace
}  // namespace akin::model

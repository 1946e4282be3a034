// The same model's weights in safetensors, in its ONNX export and in the quantized export.
#include "model/onnx_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "model/model_directory.h"
#include "model/tensor_file.h"
#include "support/expect_error.h"
#include "support/protobuf_writer.h"
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

// Every tensor of an encoder that has them.
std::vector<Tensor> TensorsOf(const ModelWeights& weights) {
  std::vector<Tensor> tensors = {weights.word_embeddings, weights.embedding_norm.weight};
  for (const LayerWeights& layer : weights.layers) {
    for (const auto part : {&LayerWeights::query, &LayerWeights::intermediate}) {
      tensors.push_back((layer.*part).weight);
      tensors.push_back((layer.*part).bias);
    }
  }
  return tensors;
}

TEST(OnnxWeights, NoneIsCopied) {
  for (const std::string file : {"model.onnx", "model_quantized.onnx"}) {
    const OnnxOnlyFolder folder(file);
    const auto weights = LoadWeights(folder.Open(), *LoadModelConfig(folder.Open()));
    ASSERT_TRUE(weights) << weights.error().message();
    for (const Tensor& tensor : TensorsOf(*weights)) {
      EXPECT_NE(tensor.source == nullptr, tensor.maker == nullptr) << file << ' ' << tensor.name;
      EXPECT_EQ(tensor.bytes.empty(), tensor.maker != nullptr) << file << ' ' << tensor.name;
    }
    EXPECT_EQ(weights->word_embeddings.maker == nullptr, file == "model.onnx");
  }
}

// Half-precision numbers that the graph has as varints, which are decoded into memory.
TEST(OnnxWeights, TheyOutliveTheGraph) {
  const std::string halves = protobuf::Number(1, 2) + protobuf::Number(2, 10) +
                             protobuf::Number(5, 0x3C00) + protobuf::Number(5, 0x4000) +
                             protobuf::Bytes(8, "dense.bias");
  const TemporaryFolder folder;
  folder.Write("model.onnx",
               onnx_file::Model(
                   protobuf::Bytes(2, "g") + protobuf::Bytes(5, halves) +
                   protobuf::Bytes(1, onnx_file::Node("Add", {"states", "dense.bias"}, {"sum"}))));
  const ModelDirectory directory = *ModelDirectory::Open(folder.path().string());
  const auto tensors = [&]() -> Result<TensorIndex> {
    AKIN_TRY_ASSIGN(const OnnxFile file, OnnxFile::Open(directory, "model.onnx"));
    return OnnxTensors(file);
  }();
  ASSERT_TRUE(tensors) << tensors.error().message();
  const auto bias = tensors->Get("dense.bias", {{"outputs", 2}});
  ASSERT_TRUE(bias) << bias.error().message();
  EXPECT_EQ(bias->source, nullptr);
  EXPECT_EQ(ReadAll(*bias), (std::vector<float>{1.0f, 2.0f}));
}

TEST(OnnxWeights, APartOfATensorHasTheNumbersOfThatPart) {
  for (const std::string file : {"model.onnx", "model_quantized.onnx"}) {
    const OnnxOnlyFolder folder(file);
    const auto weights = LoadWeights(folder.Open(), *LoadModelConfig(folder.Open()));
    ASSERT_TRUE(weights) << weights.error().message();
    for (const Tensor& tensor : TensorsOf(*weights)) {
      const std::vector<float> all = ReadAll(tensor);
      const size_t columns = tensor.shape.size() == 2 ? static_cast<size_t>(tensor.shape[1]) : 1;
      for (const size_t first : {size_t{0}, size_t{1}, columns - 1, columns + 1, all.size() / 2}) {
        for (const size_t count : {size_t{1}, columns, 3 * columns + 5, all.size()}) {
          if (first >= all.size()) continue;
          std::vector<float> part(std::min(count, all.size() - first));
          ReadF32(tensor, static_cast<int64_t>(first), part);
          EXPECT_TRUE(
              std::equal(part.begin(), part.end(), all.begin() + static_cast<ptrdiff_t>(first)))
              << file << ' ' << tensor.name << ", " << part.size() << " from " << first;
        }
      }
      const std::vector<float> rows = ReadAll(tensor.Rows(2, 3).Rows(1, 2));
      EXPECT_TRUE(
          std::equal(rows.begin(), rows.end(), all.begin() + static_cast<ptrdiff_t>(3 * columns)))
          << file << ' ' << tensor.name;
      EXPECT_EQ(rows.size(), 2 * columns);
    }
  }
}

TEST(OnnxWeights, OfAFileThatIsCutAreNanAndSaid) {
  for (const std::string file : {"model.onnx", "model_quantized.onnx"}) {
    const OnnxOnlyFolder folder(file);
    const auto weights = LoadWeights(folder.Open(), *LoadModelConfig(folder.Open()));
    ASSERT_TRUE(weights) << weights.error().message();
    EXPECT_TRUE(weights->files->CheckIntact());
    EXPECT_FALSE(weights->files->identity().empty());
    fs::resize_file(folder.folder() / "onnx/model.onnx", 100);
    const std::vector<float> table = ReadAll(weights->word_embeddings);
    EXPECT_TRUE(std::ranges::all_of(table, [](float x) { return std::isnan(x); })) << file;
    ExpectError(weights->files->CheckIntact(), ErrorCode::kInvalidModel, "onnx/model.onnx",
                "became shorter");
  }
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

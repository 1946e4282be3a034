#include "model/weights.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "model/model_directory.h"
#include "support/expect_error.h"
#include "support/tiny_bert.h"

namespace akin::model {
namespace {

constexpr const char* kWords = "embeddings.word_embeddings.weight";
constexpr const char* kQuery = "encoder.layer.0.attention.self.query.weight";
constexpr const char* kShard1 = "model-00001-of-00002.safetensors";
constexpr const char* kShard2 = "model-00002-of-00002.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

Result<ModelWeights> Load(const TemporaryFolder& folder) {
  const auto directory = ModelDirectory::Open(folder.path().string());
  AKIN_TRY_ASSIGN(const ModelConfig config, LoadModelConfig(*directory));
  return LoadWeights(*directory, config);
}

Result<ModelWeights> Load(const TinyBert& bert) {
  TemporaryFolder folder;
  bert.Write(folder);
  return Load(folder);
}

std::vector<float> Values(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.num_elements()));
  ReadF32(tensor, 0, values);
  return values;
}

float First(const Tensor& tensor) { return Values(tensor).at(0); }

// Every tensor of the tiny model is where its name says: TinyBert numbers them.
void ExpectTinyWeights(const ModelWeights& weights) {
  EXPECT_EQ(First(weights.word_embeddings), 0);
  EXPECT_EQ(First(weights.position_embeddings), 1000);
  EXPECT_EQ(First(weights.token_type_embeddings), 2000);
  EXPECT_EQ(First(weights.embedding_norm.weight), 3000);
  EXPECT_EQ(First(weights.embedding_norm.bias), 4000);
  ASSERT_EQ(weights.layers.size(), 1u);
  const LayerWeights& layer = weights.layers[0];
  EXPECT_EQ(First(layer.query.weight), 5000);
  EXPECT_EQ(First(layer.query.bias), 6000);
  EXPECT_EQ(First(layer.key.weight), 7000);
  EXPECT_EQ(First(layer.key.bias), 8000);
  EXPECT_EQ(First(layer.value.weight), 9000);
  EXPECT_EQ(First(layer.value.bias), 10000);
  EXPECT_EQ(First(layer.attention_output.weight), 11000);
  EXPECT_EQ(First(layer.attention_output.bias), 12000);
  EXPECT_EQ(First(layer.attention_norm.weight), 13000);
  EXPECT_EQ(First(layer.attention_norm.bias), 14000);
  EXPECT_EQ(First(layer.intermediate.weight), 15000);
  EXPECT_EQ(First(layer.intermediate.bias), 16000);
  EXPECT_EQ(First(layer.output.weight), 17000);
  EXPECT_EQ(First(layer.output.bias), 18000);
  EXPECT_EQ(First(layer.feed_forward_norm.weight), 19000);
  EXPECT_EQ(First(layer.feed_forward_norm.bias), 20000);
}

// The tensors under other names.
template <typename Rename>
TinyBert Renamed(Rename rename) {
  TinyBert bert;
  TinyTensors tensors;
  for (auto& [name, tensor] : bert.tensors) tensors[rename(name)] = tensor;
  bert.tensors = tensors;
  return bert;
}

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  if (const size_t at = text.find(from); at != text.npos) text.replace(at, from.size(), to);
  return text;
}

TEST(Weights, EveryTensorIsFoundByItsName) {
  const auto weights = Load(TinyBert());
  ASSERT_TRUE(weights) << weights.error().message();
  ExpectTinyWeights(*weights);
  EXPECT_EQ(weights->num_parameters, 20 + 32 + 8 + 8 + 3 * 20 + 20 + 8 + 30 + 28 + 8);
  EXPECT_EQ(weights->layers[0].output.weight.shape, (std::vector<int64_t>{4, 6}));
}

TEST(Weights, PrefixOfALargerModelIsFound) {
  for (const std::string prefix : {"bert.", "model."}) {
    const auto weights = Load(Renamed([&](const std::string& name) { return prefix + name; }));
    ASSERT_TRUE(weights) << weights.error().message();
    ExpectTinyWeights(*weights);
  }
}

TEST(Weights, OldLayerNormNamesAreTheNewOnes) {
  const auto weights = Load(Renamed([](const std::string& name) {
    return Replaced(Replaced(name, "LayerNorm.weight", "LayerNorm.gamma"), "LayerNorm.bias",
                    "LayerNorm.beta");
  }));
  ASSERT_TRUE(weights) << weights.error().message();
  ExpectTinyWeights(*weights);
}

TEST(Weights, UnusedTensorsOfAnyTypeAreLeftAlone) {
  TinyBert bert;
  bert.tensors["pooler.dense.weight"] = {"F64", {1}, std::string(8, 'x')};
  bert.tensors["embeddings.position_ids"] = {"I64", {1, 2}, std::string(16, 'x')};
  bert.tensors["empty"] = {"F32", {0, 7}, ""};
  EXPECT_TRUE(Load(bert));
}

TEST(Weights, LayersThatTheConfigDoesNotCountAreLeftOutAndSaid) {
  TinyBert bert = Renamed([](const std::string& name) { return "bert." + name; });
  EXPECT_TRUE(Load(bert)->notes.empty());
  bert.tensors["bert.encoder.layer.1.output.dense.weight"] = {"F32", {0}, ""};
  bert.tensors["bert.encoder.layer.11.output.dense.bias"] = {"I64", {0}, ""};
  bert.tensors["bert.encoder.layer.1x.output.dense.bias"] = {"F32", {0}, ""};
  bert.tensors["bert.encoder.layer.1"] = {"F32", {0}, ""};
  bert.tensors["bert.encoder.layer_norm.weight"] = {"F32", {0}, ""};
  const auto weights = Load(bert);
  ASSERT_TRUE(weights) << weights.error().message();
  ExpectTinyWeights(*weights);
  EXPECT_EQ(weights->notes,
            std::vector<std::string>{"not used: 2 tensors of model.safetensors, from "
                                     "'bert.encoder.layer.1.' on; config.json says "
                                     "num_hidden_layers 1"});
}

TEST(Weights, MissingTensorIsNamed) {
  const TinyBert whole;
  for (const auto& [name, tensor] : whole.tensors) {
    TinyBert bert;
    bert.tensors.erase(name);
    ExpectError(Load(bert), ErrorCode::kInvalidModel, "model.safetensors", name);
  }
}

TEST(Weights, TensorOfAnotherShapeIsRefusedWithBothShapes) {
  TinyBert bert;
  bert.tensors[kQuery].shape = {2, 8};
  ExpectError(Load(bert), ErrorCode::kInvalidModel, "model.safetensors", kQuery, "[2, 8]",
              "hidden_size 4");
  bert = TinyBert();
  bert.tensors[kQuery].shape = {16};
  ExpectError(Load(bert), ErrorCode::kInvalidModel, kQuery, "[16]");
  bert = TinyBert();
  bert.tensors["encoder.layer.0.intermediate.dense.weight"].shape = {4, 6};
  ExpectError(Load(bert), ErrorCode::kInvalidModel, "[4, 6]", "intermediate_size 6");
}

TEST(Weights, ConfigThatAsksForOtherSizesIsNamed) {
  for (const auto& [key, value, tensor] : std::vector<std::array<const char*, 3>>{
           {"vocab_size", "6", kWords},
           {"hidden_size", "8", kWords},
           {"max_position_embeddings", "9", "embeddings.position_embeddings.weight"},
           {"type_vocab_size", "3", "embeddings.token_type_embeddings.weight"},
           {"intermediate_size", "7", "encoder.layer.0.intermediate.dense.weight"},
           {"num_hidden_layers", "2", "encoder.layer.1."},
           {"num_hidden_layers", "1000", "encoder.layer.1."}}) {
    TinyBert bert;
    bert.config[key] = value;
    ExpectError(Load(bert), ErrorCode::kInvalidModel, "model.safetensors", "config.json", tensor,
                std::string(key) + " " + value);
  }
}

TEST(Weights, TypesWithoutConversionAreUnsupported) {
  TinyBert bert;
  bert.tensors[kWords] = {"BOOL", {5, 4}, std::string(20, '\1')};
  ExpectError(Load(bert), ErrorCode::kUnsupportedModel, "model.safetensors", kWords, "BOOL");
}

TEST(Weights, NoWeightsAtAllIsNotFound) {
  TemporaryFolder folder;
  TinyBert().Write(folder);
  folder.Remove("model.safetensors");
  ExpectError(Load(folder), ErrorCode::kModelNotFound, "model.safetensors");
}

TEST(Weights, PickleIsRefusedWithAWayOut) {
  TemporaryFolder folder;
  TinyBert().Write(folder);
  folder.Remove("model.safetensors");
  folder.Write("pytorch_model.bin", "\x80\x04");
  ExpectError(Load(folder), ErrorCode::kUnsupportedModel, "pytorch_model.bin", "safetensors");
}

class ShardedWeights : public ::testing::Test {
 protected:
  ShardedWeights() {
    const TinyBert bert;
    folder_.Write("config.json", bert.Config());
    TinyTensors shards[2];
    for (const auto& [name, tensor] : bert.tensors) {
      const bool second = name > "encoder.layer.0.i";
      shards[second ? 1 : 0][name] = tensor;
      map_[name] = second ? kShard2 : kShard1;
    }
    folder_.Write(kShard1, SafetensorsFile(shards[0]));
    folder_.Write(kShard2, SafetensorsFile(shards[1]));
  }

  Result<ModelWeights> LoadMap() {
    std::string text;
    for (const auto& [name, file] : map_) {
      text += StrCat(text.empty() ? "" : ",", '"', name, "\":\"", file, '"');
    }
    folder_.Write(kIndex, StrCat("{\"metadata\":{\"total_size\":1},\"weight_map\":{", text, "}}"));
    return Load(folder_);
  }

  TemporaryFolder folder_;
  std::map<std::string, std::string> map_;  // The index's weight_map.
};

TEST_F(ShardedWeights, TensorsAreFoundInTheirFiles) {
  const auto weights = LoadMap();
  ASSERT_TRUE(weights) << weights.error().message();
  ExpectTinyWeights(*weights);
}

TEST_F(ShardedWeights, MissingFileIsNotFound) {
  map_[kQuery] = "model-00003-of-00003.safetensors";
  ExpectError(LoadMap(), ErrorCode::kModelNotFound, "model-00003-of-00003.safetensors");
}

TEST_F(ShardedWeights, TensorThatItsFileLacksIsNamed) {
  map_[kQuery] = kShard2;
  ExpectError(LoadMap(), ErrorCode::kInvalidModel, kIndex, kQuery, kShard2);
}

TEST_F(ShardedWeights, TensorThatTheIndexLacksIsNamed) {
  map_.erase(kQuery);
  ExpectError(LoadMap(), ErrorCode::kInvalidModel, kQuery);
}

TEST_F(ShardedWeights, FilesOutsideTheFolderAreRefused) {
  for (const char* file : {"../outside.safetensors", "/etc/passwd", "", "a/../../b", ".."}) {
    map_[kQuery] = file;
    ExpectError(LoadMap(), ErrorCode::kInvalidModel);
  }
}

TEST_F(ShardedWeights, BrokenIndexIsAnError) {
  for (const char* text : {"", "{}", "[]", "{\"weight_map\":[]}", "{\"weight_map\":{\"a\":1}}"}) {
    folder_.Write(kIndex, text);
    ExpectError(Load(folder_), ErrorCode::kInvalidModel, kIndex);
  }
}

// --- Numbers ---

Tensor TensorOf(DataType dtype, const std::string& bytes, int64_t count) {
  return {.name = "t",
          .dtype = dtype,
          .shape = {count},
          .bytes = std::as_bytes(std::span(bytes.data(), bytes.size()))};
}

// The value of a half by its definition.
float HalfValue(uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const float sign = half >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction == 0 ? sign * std::numeric_limits<float>::infinity() : NAN;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

TEST(ReadF32, EveryHalfIsConvertedExactly) {
  std::string bytes(1, '?');  // Not aligned.
  for (uint32_t half = 0; half < 65536; ++half) {
    bytes += static_cast<char>(half & 0xFF);
    bytes += static_cast<char>(half >> 8);
  }
  Tensor tensor = TensorOf(DataType::kF16, bytes, 65536);
  tensor.bytes = tensor.bytes.subspan(1);
  const std::vector<float> values = Values(tensor);
  for (uint32_t half = 0; half < 65536; ++half) {
    const float expected = HalfValue(static_cast<uint16_t>(half));
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(values[half])) << half;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(values[half]), std::bit_cast<uint32_t>(expected)) << half;
    }
  }
}

TEST(ReadF32, BrainFloatIsTheUpperHalfOfAFloat) {
  std::string bytes;
  const std::vector<uint16_t> bits = {0x3F80, 0xC000, 0x0001, 0x7F80, 0x8000, 0x4049};
  for (const uint16_t b : bits) {
    bytes += static_cast<char>(b & 0xFF);
    bytes += static_cast<char>(b >> 8);
  }
  const std::vector<float> values = Values(TensorOf(DataType::kBf16, bytes, 6));
  for (size_t i = 0; i < bits.size(); ++i) {
    EXPECT_EQ(std::bit_cast<uint32_t>(values[i]), uint32_t{bits[i]} << 16);
  }
}

TEST(ReadF32, PartOfATensorIsReadFromItsPlace) {
  const auto weights = Load(TinyBert());
  std::vector<float> row(4);
  ReadF32(weights->word_embeddings, 8, row);
  EXPECT_EQ(row, (std::vector<float>{8, 9, 10, 11}));
}

TEST(DropPages, DroppedTensorReadsTheSame) {
  TinyBert bert;
  bert.config["vocab_size"] = "4096";
  bert.Add(kWords, {4096, 4});  // 64 KiB, so that whole pages lie inside.
  const auto weights = Load(bert);
  ASSERT_TRUE(weights) << weights.error().message();
  const std::vector<float> before = Values(weights->word_embeddings);
  DropPages(weights->word_embeddings);
  EXPECT_EQ(Values(weights->word_embeddings), before);
}

// --- A whole folder, damaged ---

// Files are changed in place: writing thousands of them anew takes seconds.

// Cuts `file` at every byte and loads the folder.
void ExpectEveryCutRefused(const TemporaryFolder& folder, std::string_view file) {
  ASSERT_TRUE(Load(folder));
  for (size_t size = std::filesystem::file_size(folder / file); size-- > 0;) {
    std::filesystem::resize_file(folder / file, size);
    ASSERT_FALSE(Load(folder)) << size;
  }
}

void PutByte(std::fstream& file, size_t place, char byte) {
  file.seekp(static_cast<std::streamoff>(place));
  file.put(byte).flush();
}

TEST(DamagedModel, EveryCutOfTheWeightsIsRefused) {
  TemporaryFolder folder;
  TinyBert().Write(folder);
  ExpectEveryCutRefused(folder, "model.safetensors");
}

TEST(DamagedModel, EveryCutOfTheConfigIsRefused) {
  TemporaryFolder folder;
  TinyBert().Write(folder);
  ExpectEveryCutRefused(folder, "config.json");
}

TEST(DamagedModel, FlippedBitIsRefusedOrChangesNumbersOnly) {
  const TinyBert bert;
  TemporaryFolder folder;
  bert.Write(folder);
  const std::string content = SafetensorsFile(bert.tensors);
  size_t data_bytes = 0;
  for (const auto& [name, tensor] : bert.tensors) data_bytes += tensor.bytes.size();
  std::fstream file(folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  for (size_t i = 0; i < content.size(); ++i) {
    PutByte(file, i, static_cast<char>(content[i] ^ (1 << (i % 8))));
    const auto weights = Load(folder);
    if (weights) {
      ASSERT_EQ(weights->num_parameters * 4, static_cast<int64_t>(data_bytes)) << i;
    } else {
      ASSERT_LT(i, content.size() - data_bytes) << weights.error().message();
    }
    PutByte(file, i, content[i]);
  }
}

}  // namespace
}  // namespace akin::model

#include "model/model_config.h"

#include <gtest/gtest.h>

#include <string>

#include "model/model_directory.h"
#include "support/expect_error.h"
#include "support/tiny_bert.h"

namespace akin::model {
namespace {

Result<ModelConfig> Parse(const TinyBert& bert) {
  AKIN_TRY_ASSIGN(const auto document, formats::JsonDocument::Parse(bert.Config(), "config.json"));
  return ParseModelConfig(document.root());
}

Result<ModelConfig> ParseWith(const std::string& key, const std::string& value) {
  TinyBert bert;
  bert.config[key] = value;
  return Parse(bert);
}

TEST(ModelConfig, FieldsAreTheFiles) {
  const ModelConfig config = Parse(TinyBert()).value();
  EXPECT_EQ(config.model_type, "bert");
  EXPECT_EQ(config.vocab_size, 5);
  EXPECT_EQ(config.hidden_size, 4);
  EXPECT_EQ(config.num_hidden_layers, 1);
  EXPECT_EQ(config.num_attention_heads, 2);
  EXPECT_EQ(config.head_dim, 2);
  EXPECT_EQ(config.intermediate_size, 6);
  EXPECT_EQ(config.max_position_embeddings, 8);
  EXPECT_EQ(config.type_vocab_size, 2);
  EXPECT_EQ(config.hidden_act, Activation::kGelu);
  EXPECT_EQ(config.layer_norm_eps, 1e-12f);
}

TEST(ModelConfig, ActivationsHaveTransformersNames) {
  EXPECT_EQ(ParseWith("hidden_act", "\"gelu_new\"")->hidden_act, Activation::kGeluTanh);
  EXPECT_EQ(ParseWith("hidden_act", "\"gelu_pytorch_tanh\"")->hidden_act, Activation::kGeluTanh);
  EXPECT_EQ(ParseWith("hidden_act", "\"relu\"")->hidden_act, Activation::kRelu);
  ExpectError(ParseWith("hidden_act", "\"swoosh\""), ErrorCode::kUnsupportedModel, "config.json",
              "hidden_act", "swoosh");
  ExpectError(ParseWith("hidden_act", "3"), ErrorCode::kInvalidModel, "hidden_act");
}

TEST(ModelConfig, AbsentActivationAndEpsilonAreBerts) {
  TinyBert bert;
  bert.config.erase("hidden_act");
  bert.config.erase("layer_norm_eps");
  const ModelConfig config = Parse(bert).value();
  EXPECT_EQ(config.hidden_act, Activation::kGelu);
  EXPECT_EQ(config.layer_norm_eps, 1e-12f);
}

TEST(ModelConfig, SizesAreNeededAndInBounds) {
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                          "intermediate_size", "max_position_embeddings", "type_vocab_size"}) {
    TinyBert bert;
    bert.config.erase(key);
    ExpectError(Parse(bert), ErrorCode::kInvalidModel, "config.json", key, "missing");
    for (const char* value : {"0", "-1", "-32", "\"4\"", "4.5", "1e30", "1e1", "1099511627776",
                              "99999999999999999999", "null", "true", "[4]", "{}"}) {
      SCOPED_TRACE(value);
      ExpectError(ParseWith(key, value), ErrorCode::kInvalidModel, "config.json", key);
    }
  }
}

TEST(ModelConfig, HeadsDivideTheHiddenSize) {
  ExpectError(ParseWith("num_attention_heads", "3"), ErrorCode::kInvalidModel, "config.json",
              "hidden_size 4", "num_attention_heads 3");
  ExpectError(ParseWith("num_attention_heads", "8"), ErrorCode::kInvalidModel,
              "num_attention_heads 8");
}

TEST(ModelConfig, EpsilonIsASmallNumber) {
  EXPECT_EQ(ParseWith("layer_norm_eps", "1e-5")->layer_norm_eps, 1e-5f);
  for (const char* value : {"-1e-5", "2", "1e400", "\"1e-5\"", "null"}) {
    SCOPED_TRACE(value);
    ExpectError(ParseWith("layer_norm_eps", value), ErrorCode::kInvalidModel, "layer_norm_eps");
  }
}

TEST(ModelConfig, OtherArchitecturesAndVariantsAreUnsupported) {
  ExpectError(ParseWith("model_type", "\"frobnicator\""), ErrorCode::kUnsupportedModel,
              "config.json", "model_type", "frobnicator");
  ExpectError(ParseWith("position_embedding_type", "\"relative_key\""),
              ErrorCode::kUnsupportedModel, "position_embedding_type", "relative_key");
  ExpectError(ParseWith("is_decoder", "true"), ErrorCode::kUnsupportedModel, "is_decoder");
  ExpectError(ParseWith("add_cross_attention", "true"), ErrorCode::kUnsupportedModel,
              "add_cross_attention");
  EXPECT_TRUE(ParseWith("position_embedding_type", "\"absolute\""));
  EXPECT_TRUE(ParseWith("is_decoder", "false"));
  EXPECT_TRUE(ParseWith("something_else", "{\"a\": [null]}"));
  ExpectError(ParseWith("is_decoder", "1"), ErrorCode::kInvalidModel, "is_decoder");
  ExpectError(ParseWith("model_type", "null"), ErrorCode::kInvalidModel, "model_type");
}

TEST(ModelConfig, RootIsAnObject) {
  const auto document = formats::JsonDocument::Parse("[]", "config.json");
  ExpectError(ParseModelConfig(document->root()), ErrorCode::kInvalidModel, "config.json",
              "object");
}

TEST(ModelConfig, FolderWithoutConfigIsNotFound) {
  TemporaryFolder folder;
  const auto directory = ModelDirectory::Open(folder.path().string());
  ExpectError(LoadModelConfig(*directory), ErrorCode::kModelNotFound, "config.json");
}

}  // namespace
}  // namespace akin::model

#include "model/model_config.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
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

// --- Other architectures ---

Result<ModelConfig> ParseText(const std::string& text) {
  AKIN_TRY_ASSIGN(const auto document, formats::JsonDocument::Parse(text, "config.json"));
  return ParseModelConfig(document.root());
}

// Sizes that all of them have, with `more` behind.
std::string Sized(std::string_view model_type, std::string_view more) {
  return StrCat("{\"model_type\":\"", model_type,
                "\",\"vocab_size\":9,\"hidden_size\":16,\"num_hidden_layers\":4,"
                "\"num_attention_heads\":4,\"intermediate_size\":24,"
                "\"max_position_embeddings\":32",
                more, "}");
}

TEST(ModelConfig, RobertaCountsPositionsFromBehindThePaddingToken) {
  const auto config = ParseText(Sized("roberta", ",\"type_vocab_size\":1,\"pad_token_id\":1"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_TRUE(config->positions_after_padding);
  EXPECT_EQ(config->max_position_embeddings, 32);
  EXPECT_EQ(config->max_positions, 30);
  ExpectError(ParseText(Sized("roberta", ",\"type_vocab_size\":1,\"pad_token_id\":31")),
              ErrorCode::kInvalidModel, "max_position_embeddings 32", "pad_token_id 31");
}

TEST(ModelConfig, DecodersAreCausalUnlessTheFileSaysOtherwise) {
  const auto causal = ParseText(Sized("llama", ",\"num_key_value_heads\":2"));
  ASSERT_TRUE(causal) << causal.error().message();
  EXPECT_EQ(causal->num_key_value_heads, 2);
  EXPECT_EQ(causal->norm, NormKind::kRmsNorm);
  EXPECT_TRUE(causal->gated);
  EXPECT_EQ(causal->hidden_act, Activation::kSilu);
  for (const LayerAttention& layer : causal->layers) {
    EXPECT_EQ(layer.right, 0);
    EXPECT_EQ(layer.left, LayerAttention::kAll);
    EXPECT_EQ(layer.rotary, 0);
  }
  EXPECT_EQ(ParseText(Sized("llama", ",\"is_causal\":false"))->layers[0].right,
            LayerAttention::kAll);
  ExpectError(ParseText(Sized("llama", ",\"num_key_value_heads\":3")), ErrorCode::kInvalidModel,
              "num_attention_heads 4", "num_key_value_heads 3");
  ExpectError(ParseText(Sized("llama", ",\"is_causal\":1")), ErrorCode::kInvalidModel, "is_causal");
}

TEST(ModelConfig, WindowsAreBySideOfTheQuery) {
  const auto window = [](const Result<ModelConfig>& config, size_t layer) {
    return std::pair(config->layers[layer].left, config->layers[layer].right);
  };
  constexpr int64_t kAll = LayerAttention::kAll;
  const auto mistral =
      ParseText(Sized("mistral", ",\"num_key_value_heads\":1,\"sliding_window\":8"));
  EXPECT_EQ(window(mistral, 0), std::pair(int64_t{7}, int64_t{0}));
  const auto qwen = ParseText(Sized("qwen2",
                                    ",\"num_key_value_heads\":1,\"use_sliding_window\":true,"
                                    "\"sliding_window\":8,\"max_window_layers\":3"));
  EXPECT_EQ(window(qwen, 2), std::pair(kAll, int64_t{0}));
  EXPECT_EQ(window(qwen, 3), std::pair(int64_t{7}, int64_t{0}));
  const auto modern = ParseText(Sized("modernbert", ",\"local_attention\":10"));
  EXPECT_EQ(window(modern, 0), std::pair(kAll, kAll));
  EXPECT_EQ(window(modern, 1), std::pair(int64_t{5}, int64_t{5}));
  EXPECT_EQ(window(modern, 3), std::pair(kAll, kAll));
  const auto gemma = ParseText(Sized("gemma3_text",
                                     ",\"use_bidirectional_attention\":true,"
                                     "\"sliding_window\":9,\"sliding_window_pattern\":2"));
  EXPECT_EQ(window(gemma, 0), std::pair(int64_t{4}, int64_t{4}));
  EXPECT_EQ(window(gemma, 1), std::pair(kAll, kAll));
  EXPECT_EQ(gemma->layers[0].rotary, 1);
  EXPECT_EQ(gemma->layers[1].rotary, 0);
}

TEST(ModelConfig, LayerTypesFitTheLayers) {
  const std::string two = ",\"layer_types\":[\"full_attention\",\"sliding_attention\"]";
  ExpectError(ParseText(Sized("modernbert", two)), ErrorCode::kInvalidModel, "layer_types",
              "num_hidden_layers is 4");
  const std::string odd =
      ",\"layer_types\":[\"full_attention\",\"chunked_attention\",\"full_attention\","
      "\"full_attention\"]";
  ExpectError(ParseText(Sized("modernbert", odd)), ErrorCode::kUnsupportedModel, "layer_types",
              "chunked_attention");
}

TEST(ModelConfig, T5SpellsItsSizesInItsOwnWay) {
  const auto config = ParseText(
      "{\"model_type\":\"t5\",\"vocab_size\":9,\"d_model\":40,\"d_kv\":8,\"num_heads\":6,"
      "\"d_ff\":96,\"num_layers\":2,\"feed_forward_proj\":\"gated-gelu\"}");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->hidden_size, 40);
  EXPECT_EQ(config->head_dim, 8);
  EXPECT_TRUE(config->gated);
  EXPECT_EQ(config->hidden_act, Activation::kGeluTanh);
  EXPECT_EQ(config->attention_scale, 1.0f);
  EXPECT_EQ(config->relative_bias->num_buckets, 32);
  ExpectError(ParseText("{\"model_type\":\"t5\",\"vocab_size\":9}"), ErrorCode::kInvalidModel,
              "d_model", "missing");
}

TEST(ModelConfig, PositionsChooseAmongRowsOfOneModelType) {
  const auto alibi = ParseWith("position_embedding_type", "\"alibi\"");
  ASSERT_TRUE(alibi) << alibi.error().message();
  EXPECT_TRUE(alibi->alibi);
  EXPECT_FALSE(alibi->position_embeddings);
  EXPECT_TRUE(alibi->gated);
  // Jina v3 as its repository has it, with adapters that are not merged.
  ExpectError(ParseText(Sized("xlm-roberta",
                              ",\"type_vocab_size\":1,\"position_embedding_type\":\"rotary\","
                              "\"lora_adaptations\":[\"retrieval.query\"]")),
              ErrorCode::kUnsupportedModel, "lora_adaptations");
}

TEST(ModelConfig, VariantsThatAreNotImplementedAreNamed) {
  const std::string types = ",\"type_vocab_size\":0";
  for (const auto& [model_type, more, key] : std::vector<std::array<std::string, 3>>{
           {"deberta-v2", types + ",\"conv_kernel_size\":3,\"conv_groups\":2", "conv_groups"},
           {"deberta-v2", types + ",\"conv_kernel_size\":3,\"conv_act\":\"mish\"", "conv_act"},
           {"deberta-v2", types + ",\"relative_attention\":true,\"pos_att_type\":\"p2p\"",
            "pos_att_type"},
           {"nomic_bert", ",\"prenorm\":true", "prenorm"},
           {"nomic_bert", ",\"rotary_scaling_factor\":2.0", "rotary_scaling_factor"},
           {"new", ",\"logn_attention_scale\":true", "logn_attention_scale"},
           {"gemma2", ",\"use_bidirectional_attention\":true", "use_bidirectional_attention"},
           {"llama", ",\"quantization_config\":{\"quant_method\":\"gptq\"}",
            "quantization_config.quant_method"},
           {"bert", ",\"quantization_config\":{\"bits\":4}", "quantization_config"},
           {"mpnet", ",\"relative_attention_num_buckets\":16", "relative_attention_num_buckets"},
           {"llama", ",\"hidden_act\":\"mish\"", "hidden_act"},
           {"llama", ",\"rope_scaling\":{\"rope_type\":\"mrope\"}", "rope_scaling.rope_type"}}) {
    ExpectError(ParseText(Sized(model_type, more)), ErrorCode::kUnsupportedModel, "config.json",
                key);
  }
}

TEST(ModelConfig, DebertasConvolutionHasAnOddSizeAndTanhUnlessItSaysElse) {
  const auto parse = [](const std::string& more) {
    return ParseText(Sized("deberta-v2", ",\"type_vocab_size\":0" + more));
  };
  EXPECT_FALSE(parse("")->convolution);
  EXPECT_FALSE(parse(",\"conv_kernel_size\":0")->convolution);
  const auto plain = parse(",\"conv_kernel_size\":3");
  ASSERT_TRUE(plain && plain->convolution);
  EXPECT_EQ(plain->convolution->kernel_size, 3);
  EXPECT_FALSE(plain->convolution->act);
  EXPECT_FALSE(parse(",\"conv_kernel_size\":3,\"conv_act\":\"tanh\"")->convolution->act);
  EXPECT_EQ(parse(",\"conv_kernel_size\":5,\"conv_act\":\"gelu\"")->convolution->act,
            Activation::kGelu);
  for (const char* size : {"2", "-1", "1000", "\"3\""}) {
    ExpectError(parse(std::string(",\"conv_kernel_size\":") + size), ErrorCode::kInvalidModel,
                "config.json", "conv_kernel_size");
  }
}

TEST(ModelConfig, AlbertsGroupsFitItsLayers) {
  const auto config = ParseText(Sized("albert",
                                      ",\"type_vocab_size\":2,\"embedding_size\":8,"
                                      "\"num_hidden_groups\":2,\"inner_group_num\":3"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->num_hidden_groups, 2);
  EXPECT_EQ(config->inner_group_num, 3);
  EXPECT_TRUE(config->embedding_projection);
  ExpectError(ParseText(Sized("albert", ",\"type_vocab_size\":2,\"num_hidden_groups\":5")),
              ErrorCode::kInvalidModel, "num_hidden_groups 5", "num_hidden_layers 4");
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

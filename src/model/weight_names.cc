#include "model/weight_names.h"

namespace akin::model {
namespace {

constexpr std::string_view kPrefixes[] = {
    "",           "bert.",          "roberta.", "distilbert.", "mpnet.",
    "albert.",    "electra.",       "ernie.",   "deberta.",    "nomic_bert.",
    "new.",       "gte.",           "model.",   "gpt_neox.",   "jina_embeddings_v3.",
    "camembert.", "language_model."};

constexpr WeightNames kBertRow = {};

constexpr WeightNames kDistilBertRow = {.layer = "transformer.layer.{}.",
                                        .query = "attention.q_lin",
                                        .key = "attention.k_lin",
                                        .value = "attention.v_lin",
                                        .attention_output = "attention.out_lin",
                                        .attention_norm = "sa_layer_norm",
                                        .intermediate = "ffn.lin1",
                                        .output = "ffn.lin2",
                                        .feed_forward_norm = "output_layer_norm"};

constexpr WeightNames kMpnetRow = {.relative_attention_bias = "encoder.relative_attention_bias",
                                   .query = "attention.attn.q",
                                   .key = "attention.attn.k",
                                   .value = "attention.attn.v",
                                   .attention_output = "attention.attn.o",
                                   .attention_norm = "attention.LayerNorm"};

constexpr WeightNames kElectraRow = {.embedding_projection = "embeddings_project"};

constexpr WeightNames kAlbertRow = {.embedding_projection = "encoder.embedding_hidden_mapping_in",
                                    .layer = "encoder.albert_layer_groups.{}.albert_layers.{}.",
                                    .query = "attention.query",
                                    .key = "attention.key",
                                    .value = "attention.value",
                                    .attention_output = "attention.dense",
                                    .attention_norm = "attention.LayerNorm",
                                    .intermediate = "ffn",
                                    .output = "ffn_output",
                                    .feed_forward_norm = "full_layer_layer_norm"};

constexpr WeightNames kDebertaRow = {.embedding_projection = "embeddings.embed_proj",
                                     .relative_embeddings = "encoder.rel_embeddings",
                                     .relative_norm = "encoder.LayerNorm",
                                     .convolution = "encoder.conv.conv",
                                     .convolution_norm = "encoder.conv.LayerNorm",
                                     .query = "attention.self.query_proj",
                                     .key = "attention.self.key_proj",
                                     .value = "attention.self.value_proj",
                                     .position_key = "attention.self.pos_key_proj",
                                     .position_query = "attention.self.pos_query_proj"};

// transformers' names for rotary post-norm encoders.
constexpr WeightNames kPostNormRotary = {.layer = "layers.{}.",
                                         .query = "self_attn.q_proj",
                                         .key = "self_attn.k_proj",
                                         .value = "self_attn.v_proj",
                                         .attention_output = "self_attn.o_proj",
                                         .attention_norm = "post_attention_layernorm",
                                         .gate = "mlp.gate_proj",
                                         .intermediate = "mlp.up_proj",
                                         .output = "mlp.down_proj",
                                         .feed_forward_norm = "post_mlp_layernorm"};

constexpr WeightNames kNomicRows[] = {kPostNormRotary,
                                      {.embedding_norm = "emb_ln",
                                       .layer = "encoder.layers.{}.",
                                       .query_key_value = "attn.Wqkv",
                                       .attention_output = "attn.out_proj",
                                       .attention_norm = "norm1",
                                       .gate = "mlp.fc12",
                                       .intermediate = "mlp.fc11",
                                       .output = "mlp.fc2",
                                       .feed_forward_norm = "norm2"}};

constexpr WeightNames kGteRows[] = {kPostNormRotary,
                                    {.query_key_value = "attention.qkv_proj",
                                     .attention_output = "attention.o_proj",
                                     .attention_norm = "attn_ln",
                                     .gate_and_intermediate = "mlp.up_gate_proj",
                                     .gate_last = true,
                                     .output = "mlp.down_proj",
                                     .feed_forward_norm = "mlp_ln"}};

constexpr WeightNames kJinaV3Rows[] = {{.layer = "layers.{}.",
                                        .query = "self_attn.q_proj",
                                        .key = "self_attn.k_proj",
                                        .value = "self_attn.v_proj",
                                        .attention_output = "self_attn.o_proj",
                                        .attention_norm = "post_attention_layernorm",
                                        .intermediate = "mlp.fc1",
                                        .output = "mlp.fc2",
                                        .feed_forward_norm = "post_mlp_layernorm"},
                                       {.embedding_norm = "emb_ln",
                                        .layer = "encoder.layers.{}.",
                                        .query_key_value = "mixer.Wqkv",
                                        .attention_output = "mixer.out_proj",
                                        .attention_norm = "norm1",
                                        .intermediate = "mlp.fc1",
                                        .output = "mlp.fc2",
                                        .feed_forward_norm = "norm2"}};

constexpr WeightNames kJinaV2Row = {.gate_and_intermediate = "mlp.gated_layers",
                                    .output = "mlp.wo",
                                    .feed_forward_norm = "mlp.layernorm"};

constexpr WeightNames kModernBertRow = {.word_embeddings = "embeddings.tok_embeddings",
                                        .embedding_norm = "embeddings.norm",
                                        .final_norm = "final_norm",
                                        .layer = "layers.{}.",
                                        .query_key_value = "attn.Wqkv",
                                        .attention_output = "attn.Wo",
                                        .attention_norm = "attn_norm",
                                        .gate_and_intermediate = "mlp.Wi",
                                        .output = "mlp.Wo",
                                        .feed_forward_norm = "mlp_norm"};

constexpr WeightNames kLlamaRow = {.word_embeddings = "embed_tokens",
                                   .final_norm = "norm",
                                   .layer = "layers.{}.",
                                   .query = "self_attn.q_proj",
                                   .key = "self_attn.k_proj",
                                   .value = "self_attn.v_proj",
                                   .query_norm = "self_attn.q_norm",
                                   .key_norm = "self_attn.k_norm",
                                   .attention_output = "self_attn.o_proj",
                                   .attention_norm = "input_layernorm",
                                   .gate = "mlp.gate_proj",
                                   .intermediate = "mlp.up_proj",
                                   .output = "mlp.down_proj",
                                   .feed_forward_norm = "post_attention_layernorm"};

constexpr WeightNames Sandwiched(WeightNames names) {
  names.attention_branch_norm = "post_attention_layernorm";
  names.feed_forward_norm = "pre_feedforward_layernorm";
  names.feed_forward_branch_norm = "post_feedforward_layernorm";
  return names;
}
constexpr WeightNames kGemmaRow = Sandwiched(kLlamaRow);

constexpr WeightNames kNeoXRow = {.word_embeddings = "embed_in",
                                  .final_norm = "final_layer_norm",
                                  .layer = "layers.{}.",
                                  .query_key_value = "attention.query_key_value",
                                  .interleaved_heads = true,
                                  .attention_output = "attention.dense",
                                  .attention_norm = "input_layernorm",
                                  .intermediate = "mlp.dense_h_to_4h",
                                  .output = "mlp.dense_4h_to_h",
                                  .feed_forward_norm = "post_attention_layernorm"};

constexpr WeightNames T5Row(std::string_view words) {
  return {
      .word_embeddings = words,
      .final_norm = "encoder.final_layer_norm",
      .relative_attention_bias = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
      .layer = "encoder.block.{}.",
      .query = "layer.0.SelfAttention.q",
      .key = "layer.0.SelfAttention.k",
      .value = "layer.0.SelfAttention.v",
      .attention_output = "layer.0.SelfAttention.o",
      .attention_norm = "layer.0.layer_norm",
      .gate = "layer.1.DenseReluDense.wi_0",
      .intermediate = "layer.1.DenseReluDense.wi_1",
      .output = "layer.1.DenseReluDense.wo",
      .feed_forward_norm = "layer.1.layer_norm"};
}
constexpr WeightNames Ungated(WeightNames names) {
  names.gate = {};
  names.intermediate = "layer.1.DenseReluDense.wi";
  return names;
}
constexpr WeightNames kT5Rows[] = {T5Row("shared"), Ungated(T5Row("shared")),
                                   T5Row("encoder.embed_tokens"),
                                   Ungated(T5Row("encoder.embed_tokens"))};

}  // namespace

std::span<const std::string_view> EncoderPrefixes() { return kPrefixes; }

namespace layouts {
const std::span<const WeightNames> kBert{&kBertRow, 1};
const std::span<const WeightNames> kDistilBert{&kDistilBertRow, 1};
const std::span<const WeightNames> kMpnet{&kMpnetRow, 1};
const std::span<const WeightNames> kElectra{&kElectraRow, 1};
const std::span<const WeightNames> kAlbert{&kAlbertRow, 1};
const std::span<const WeightNames> kDeberta{&kDebertaRow, 1};
const std::span<const WeightNames> kNomic{kNomicRows};
const std::span<const WeightNames> kGte{kGteRows};
const std::span<const WeightNames> kJinaV2{&kJinaV2Row, 1};
const std::span<const WeightNames> kJinaV3{kJinaV3Rows};
const std::span<const WeightNames> kModernBert{&kModernBertRow, 1};
const std::span<const WeightNames> kLlama{&kLlamaRow, 1};
const std::span<const WeightNames> kGemma{&kGemmaRow, 1};
const std::span<const WeightNames> kNeoX{&kNeoXRow, 1};
const std::span<const WeightNames> kT5{kT5Rows};
}  // namespace layouts

}  // namespace akin::model

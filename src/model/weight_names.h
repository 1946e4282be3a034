// How the files of an architecture name their tensors.
#pragma once

#include <span>
#include <string_view>

namespace akin::model {

// Names without ".weight" and ".bias"; an empty one is not there. In `layer` and what stands in a
// layer, "{}" is the layer's number.
struct WeightNames {
  std::string_view word_embeddings = "embeddings.word_embeddings";
  std::string_view position_embeddings = "embeddings.position_embeddings";
  std::string_view token_type_embeddings = "embeddings.token_type_embeddings";
  std::string_view task_type_embeddings = "embeddings.task_type_embeddings";
  std::string_view embedding_norm = "embeddings.LayerNorm";
  std::string_view embedding_projection = {};
  std::string_view final_norm = {};
  std::string_view relative_attention_bias = {};
  std::string_view relative_embeddings = {};
  std::string_view relative_norm = {};
  std::string_view convolution = {};
  std::string_view convolution_norm = {};

  std::string_view layer = "encoder.layer.{}.";
  // Of shared layers: a second "{}" is the number within the group.

  std::string_view query = "attention.self.query";
  std::string_view key = "attention.self.key";
  std::string_view value = "attention.self.value";
  // All three in one tensor, in place of the above: one after the other, or by head.
  std::string_view query_key_value = {};
  bool interleaved_heads = false;
  std::string_view query_norm = {};
  std::string_view key_norm = {};
  std::string_view position_key = {};
  std::string_view position_query = {};
  std::string_view attention_output = "attention.output.dense";
  std::string_view attention_norm = "attention.output.LayerNorm";
  std::string_view attention_branch_norm = {};  // Of sandwiches.

  std::string_view gate = {};
  std::string_view intermediate = "intermediate.dense";
  // Both in one tensor, in place of the above: the gate first, or last.
  std::string_view gate_and_intermediate = {};
  bool gate_last = false;
  std::string_view output = "output.dense";
  std::string_view feed_forward_norm = "output.LayerNorm";
  std::string_view feed_forward_branch_norm = {};
};

// Files of task models put the encoder under a name.
std::span<const std::string_view> EncoderPrefixes();

namespace layouts {
extern const std::span<const WeightNames> kBert, kDistilBert, kMpnet, kElectra, kAlbert, kDeberta,
    kNomic, kGte, kJinaV2, kJinaV3, kModernBert, kLlama, kGemma, kNeoX, kT5;
}  // namespace layouts

}  // namespace akin::model

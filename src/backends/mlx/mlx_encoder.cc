#include "backends/mlx/mlx_encoder.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "base/strings.h"

namespace akin::backends::mlx {
namespace {

namespace mx = ::mlx::core;
using Arrays = std::vector<mx::array>;

// The inputs of the graph, one after the other.
class Inputs {
 public:
  explicit Inputs(const Arrays& arrays) : arrays_(arrays) {}
  const mx::array& Next() { return arrays_[next_++]; }

 private:
  const Arrays& arrays_;
  size_t next_ = 0;
};

mx::array Activate(const mx::array& x, model::Activation activation) {
  const auto number = [&](float value) { return mx::array(value, x.dtype()); };
  switch (activation) {
    case model::Activation::kGelu:
      return number(0.5f) * x * (number(1.0f) + mx::erf(x * number(1.0f / std::sqrt(2.0f))));
    case model::Activation::kGeluTanh: {
      const mx::array inner = x + number(0.044715f) * x * x * x;
      return number(0.5f) * x * (number(1.0f) + mx::tanh(number(0.7978845608f) * inner));
    }
    case model::Activation::kRelu: return mx::maximum(x, number(0.0f));
    case model::Activation::kSilu: return x * mx::sigmoid(x);
    case model::Activation::kQuickGelu: return x * mx::sigmoid(number(1.702f) * x);
  }
  return x;
}

// The graph of one shape, built from its inputs.
class GraphBuilder {
 public:
  GraphBuilder(const model::ModelConfig& config, mx::Dtype dtype, const Arrays& inputs)
      : config_(config), dtype_(dtype), inputs_(inputs) {}

  mx::array Build() {
    const mx::array ids = inputs_.Next(), types = inputs_.Next(), positions = inputs_.Next();
    const mx::array mask = mx::expand_dims(inputs_.Next(), {1, 2});  // [batch, 1, 1, length]
    mx::array states = Embed(ids, types, positions);
    for (int i = 0; i < config_.num_hidden_layers; ++i) {
      states = Normalize(states + Attend(states, mask));
      states = Normalize(states + FeedForward(states));
    }
    return states;
  }

 private:
  mx::array Embed(const mx::array& ids, const mx::array& types, const mx::array& positions) {
    mx::array sum = mx::take(inputs_.Next(), ids, 0);
    if (config_.embedding_scale != 1.0f) sum = sum * mx::array(config_.embedding_scale);
    if (config_.type_vocab_size > 0) sum = sum + mx::take(inputs_.Next(), types, 0);
    if (config_.position_embeddings) sum = sum + mx::take(inputs_.Next(), positions, 0);
    return config_.embedding_norm ? Normalize(sum) : sum;
  }

  mx::array Normalize(const mx::array& states) {
    const mx::array weight = inputs_.Next();
    std::optional<mx::array> bias;
    if (config_.norm_bias) bias = inputs_.Next();
    return mx::fast::layer_norm(states, weight, bias, config_.layer_norm_eps);
  }

  // x [.., in] -> [.., out], in the products' type.
  mx::array Multiply(const mx::array& x, bool has_bias) {
    const mx::array weight = mx::transpose(inputs_.Next());
    return has_bias ? mx::addmm(inputs_.Next(), x, weight) : mx::matmul(x, weight);
  }

  mx::array Attend(const mx::array& states, const mx::array& mask) {
    const int batch = states.shape(0), length = states.shape(1);
    const int heads = config_.num_attention_heads, head_dim = config_.head_dim;
    const mx::array x = mx::astype(states, dtype_);
    const auto split = [&](const mx::array& rows) {  // [batch, heads, length, head_dim]
      return mx::transpose(mx::reshape(rows, {batch, length, heads, head_dim}), {0, 2, 1, 3});
    };
    const mx::array query = split(Multiply(x, config_.qkv_bias));
    const mx::array key = split(Multiply(x, config_.qkv_bias));
    const mx::array value = split(Multiply(x, config_.qkv_bias));
    const mx::array context = mx::fast::scaled_dot_product_attention(
        query, key, value, config_.attention_scale, "array", mask);
    const mx::array rows =
        mx::reshape(mx::transpose(context, {0, 2, 1, 3}), {batch, length, heads * head_dim});
    return mx::astype(Multiply(rows, config_.attention_output_bias), mx::float32);
  }

  mx::array FeedForward(const mx::array& states) {
    const mx::array x = mx::astype(states, dtype_);
    const mx::array hidden = Activate(
        mx::astype(Multiply(x, config_.intermediate_bias), mx::float32), config_.hidden_act);
    return mx::astype(Multiply(mx::astype(hidden, dtype_), config_.output_bias), mx::float32);
  }

  const model::ModelConfig& config_;
  const mx::Dtype dtype_;
  Inputs inputs_;
};

mx::Shape ShapeOf(std::span<const int64_t> shape) {
  mx::Shape dims;
  for (const int64_t dim : shape) dims.push_back(static_cast<int>(dim));
  return dims;
}

}  // namespace

Status CheckIsOfBertFamily(const model::ModelConfig& config) {
  const auto refuse = [&](std::string_view what) {
    return UnsupportedModel("config.json: \"model_type\": \"", config.model_type, "\" has ", what,
                            ", which the backend mlx does not compute (the native one does)");
  };
  if (config.norm_placement != model::NormPlacement::kPost)
    return refuse("norms before its sublayers");
  if (config.norm != model::NormKind::kLayerNorm) return refuse("RMSNorm");
  if (!config.rotary.empty()) return refuse("rotary positions");
  if (config.alibi) return refuse("ALiBi");
  if (config.relative_bias) return refuse("relative position biases");
  if (config.disentangled) return refuse("disentangled attention");
  if (config.convolution) return refuse("a convolution");
  if (config.query_key_norm != model::QueryKeyNorm::kNone) return refuse("query and key norms");
  if (config.attn_logit_softcapping > 0.0f) return refuse("\"attn_logit_softcapping\"");
  if (config.num_key_value_heads != config.num_attention_heads) return refuse("grouped queries");
  if (config.gated) return refuse("a gated feed-forward");
  if (config.num_hidden_groups > 0) return refuse("layers that share weights");
  if (config.embedding_projection) return refuse("factorized embeddings");
  if (config.task_type_vocab_size > 0) return refuse("\"task_type_vocab_size\"");
  for (const model::LayerAttention& layer : config.layers) {
    if (layer.left < config.max_positions || layer.right < config.max_positions)
      return refuse("windowed or causal attention");
  }
  return {};
}

MlxEncoder::MlxEncoder(const model::ModelConfig& config, const model::ModelWeights& weights,
                       mx::Dtype dtype)
    : config_(config), dtype_(dtype) {
  Add(weights.word_embeddings, mx::float32);
  if (config_.type_vocab_size > 0) Add(weights.token_type_embeddings, mx::float32);
  if (config_.position_embeddings) Add(weights.position_embeddings, mx::float32);
  if (config_.embedding_norm) Add(weights.embedding_norm);
  for (const model::LayerWeights& layer : weights.layers) {
    for (const model::Linear* linear :
         {&layer.query, &layer.key, &layer.value, &layer.attention_output})
      Add(*linear);
    Add(layer.attention_norm);
    Add(layer.intermediate);
    Add(layer.output);
    Add(layer.feed_forward_norm);
  }
  mx::eval(weights_);
  graph_ = mx::compile([config = config_, dtype](const Arrays& inputs) {
    return Arrays{GraphBuilder(config, dtype, inputs).Build()};
  });
}

void MlxEncoder::Add(const model::Tensor& tensor, mx::Dtype dtype) {
  const std::vector<float> values = model::ReadAll(tensor);
  weights_.push_back(
      mx::astype(mx::array(values.data(), ShapeOf(tensor.shape), mx::float32), dtype));
  mx::eval(weights_.back());  // One tensor in f32 at a time.
  model::DropPages(tensor);
}

void MlxEncoder::Add(const model::Linear& linear) {
  const auto add = [&](const model::Tensor& tensor) {
    if (tensor.empty()) return;
    Add(tensor, dtype_);
    if (linear.rows.empty()) return;
    const mx::array rows(linear.rows.data(), {static_cast<int>(linear.rows.size())}, mx::int32);
    weights_.back() = mx::take(weights_.back(), rows, 0);
    mx::eval(weights_.back());
  };
  add(linear.weight);
  add(linear.bias);
}

void MlxEncoder::Add(const model::Norm& norm) {
  Add(norm.weight, mx::float32);
  if (config_.norm_bias) Add(norm.bias, mx::float32);
}

void MlxEncoder::Forward(const PaddedBatch& batch, std::span<float> states) {
  const mx::Shape shape{batch.batch, batch.length};
  Arrays inputs;
  inputs.reserve(4 + weights_.size());
  for (const auto* ids : {&batch.input_ids, &batch.token_type_ids, &batch.positions})
    inputs.emplace_back(ids->data(), shape, mx::int32);
  inputs.push_back(mx::astype(mx::array(batch.attended.data(), shape, mx::uint8), mx::bool_));
  inputs.insert(inputs.end(), weights_.begin(), weights_.end());
  mx::array output = mx::contiguous(graph_(inputs).front());
  mx::eval(output);
  std::copy_n(output.data<float>(), states.size(), states.begin());
}

}  // namespace akin::backends::mlx

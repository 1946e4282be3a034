#include "model/weights.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "base/strings.h"
#include "model/architecture.h"
#include "model/model_directory.h"
#include "model/onnx_file.h"
#include "model/onnx_weights.h"
#include "model/tensor_index.h"

namespace akin::model {
namespace {

// The i-th "{}" of `pattern` becomes the i-th number.
std::string Fill(std::string_view pattern, std::initializer_list<int> numbers) {
  std::string text;
  for (const int number : numbers) {
    const size_t at = pattern.find("{}");
    if (at == pattern.npos) break;
    text += StrCat(pattern.substr(0, at), number);
    pattern.remove_prefix(at + 2);
  }
  return text + std::string(pattern);
}

// The layout that a file has, and the name that its tensors stand under.
struct Layout {
  const WeightNames* names;
  std::string_view prefix;
};

Layout ChooseLayout(const TensorIndex& tensors, const ModelConfig& config) {
  const std::span<const WeightNames> layouts = config.architecture->layouts;
  std::optional<Layout> words_only;
  for (const WeightNames& names : layouts) {
    for (const std::string_view prefix : EncoderPrefixes()) {
      if (!tensors.Contains(StrCat(prefix, names.word_embeddings, ".weight"))) continue;
      if (!words_only) words_only = {&names, prefix};
      const bool packed = !names.query_key_value.empty();
      const bool packed_gate = !names.gate_and_intermediate.empty();
      const std::string layer = StrCat(prefix, Fill(names.layer, {0, 0}));
      const auto has = [&](std::string_view name) {
        return tensors.Contains(StrCat(layer, name, ".weight"));
      };
      if (has(packed ? names.query_key_value : names.query) &&
          has(packed_gate ? names.gate_and_intermediate : names.intermediate))
        return {&names, prefix};
    }
  }
  return words_only.value_or(Layout{&layouts.front(), ""});
}

// Takes tensors by name and checks them on the way.
class WeightReader {
 public:
  WeightReader(const TensorIndex& tensors, const ModelConfig& config)
      : tensors_(tensors), config_(config), layout_(ChooseLayout(tensors, config)) {}

  Result<ModelWeights> Read() {
    const WeightNames& names = *layout_.names;
    AKIN_TRY(ReadEmbeddings(names));
    AKIN_TRY(ReadPositions(names));
    AKIN_TRY(ReadConvolution(names));
    if (config_.norm_placement != NormPlacement::kPost)
      AKIN_TRY(Take(std::string(names.final_norm), Hidden(), weights_.final_norm));
    const int groups =
        config_.num_hidden_groups > 0 ? config_.num_hidden_groups : config_.num_hidden_layers;
    for (int group = 0; group < groups; ++group) {
      for (int inner = 0; inner < config_.inner_group_num; ++inner) {
        first_layer_ = weights_.layers.empty();
        AKIN_TRY(ReadLayer(Fill(names.layer, {group, inner}), weights_.layers.emplace_back()));
      }
    }
    NoteLayersLeftOver(groups);
    weights_.tensors = tensors_.owner();
    weights_.files = tensors_.files();
    return std::move(weights_);
  }

 private:
  // Layers of the file behind the `count` that config.json counts: the reference leaves them out,
  // too, and warns.
  void NoteLayersLeftOver(int count) {
    const std::string_view layer = layout_.names->layer;
    const std::string stem = StrCat(layout_.prefix, layer.substr(0, layer.find("{}")));
    int num_tensors = 0, first = std::numeric_limits<int>::max();
    for (const std::string_view name : tensors_.NamesWith(stem)) {
      int index = 0;
      const char* const digits = name.data() + stem.size();
      const char* const end = name.data() + name.size();
      const auto parsed = std::from_chars(digits, end, index);
      const bool is_layer = parsed.ec == std::errc() && parsed.ptr != end && *parsed.ptr == '.';
      if (!is_layer || index < count) continue;
      ++num_tensors;
      first = std::min(first, index);
    }
    if (num_tensors == 0) return;
    const bool grouped = config_.num_hidden_groups > 0;
    weights_.notes.push_back(StrCat("not used: ", num_tensors, " tensors of ", tensors_.name(),
                                    ", from '", stem, first, ".' on; config.json says ",
                                    grouped ? "num_hidden_groups " : "num_hidden_layers ", count));
  }

  // --- Sizes ---

  Dim Hidden() const { return {"hidden_size", config_.hidden_size}; }
  Dim Embedding() const {
    return config_.embedding_size == config_.hidden_size
               ? Hidden()
               : Dim{"embedding_size", config_.embedding_size};
  }
  Dim Intermediate() const { return {"intermediate_size", config_.intermediate_size}; }
  Dim Queries() const {
    return {"num_attention_heads * head_dim",
            int64_t{config_.num_attention_heads} * config_.head_dim};
  }
  Dim Keys() const {
    return {"num_key_value_heads * head_dim",
            int64_t{config_.num_key_value_heads} * config_.head_dim};
  }

  // --- Tensors ---

  Status Take(std::string_view name, std::initializer_list<Dim> dims, Tensor& tensor) {
    const std::string full_name = StrCat(layout_.prefix, name);
    if (!tensors_.Contains(full_name)) {
      return InvalidModel(tensors_.name(), ": tensor '", full_name,
                          "' is missing; config.json says num_hidden_layers ",
                          config_.num_hidden_layers);
    }
    AKIN_TRY_ASSIGN(tensor, tensors_.Get(full_name, dims));
    weights_.num_parameters += tensor.num_elements();
    return {};
  }

  Status Take(const std::string& name, Dim outputs, Dim inputs, bool bias, Linear& linear) {
    AKIN_TRY(Take(name + ".weight", {outputs, inputs}, linear.weight));
    if (bias) AKIN_TRY(Take(name + ".bias", {outputs}, linear.bias));
    return {};
  }

  Status Take(const std::string& name, Dim size, Norm& norm) {
    // Files from TensorFlow times call weight and bias gamma and beta.
    const auto has = [&](std::string_view part) {
      return tensors_.Contains(StrCat(layout_.prefix, name, part));
    };
    const bool old_names = !has(".weight") && has(".gamma");
    AKIN_TRY(Take(name + (old_names ? ".gamma" : ".weight"), {size}, norm.weight));
    if (config_.norm_bias)
      AKIN_TRY(Take(name + (old_names ? ".beta" : ".bias"), {size}, norm.bias));
    return {};
  }

  // --- Parts ---

  Status ReadEmbeddings(const WeightNames& names) {
    const auto table = [&](std::string_view name, std::string_view key, int rows, Tensor& tensor) {
      return rows == 0 ? Status()
                       : Take(StrCat(name, ".weight"), {{key, rows}, Embedding()}, tensor);
    };
    AKIN_TRY(
        table(names.word_embeddings, "vocab_size", config_.vocab_size, weights_.word_embeddings));
    if (config_.position_embeddings)
      AKIN_TRY(table(names.position_embeddings, "max_position_embeddings",
                     config_.max_position_embeddings, weights_.position_embeddings));
    AKIN_TRY(table(names.token_type_embeddings, "type_vocab_size", config_.type_vocab_size,
                   weights_.token_type_embeddings));
    AKIN_TRY(table(names.task_type_embeddings, "task_type_vocab_size", config_.task_type_vocab_size,
                   weights_.task_type_embeddings));
    if (config_.embedding_norm)
      AKIN_TRY(Take(std::string(names.embedding_norm),
                    config_.projection_before_norm ? Hidden() : Embedding(),
                    weights_.embedding_norm));
    if (config_.embedding_projection)
      AKIN_TRY(Take(std::string(names.embedding_projection), Hidden(), Embedding(),
                    config_.projection_bias, weights_.embedding_projection));
    return {};
  }

  Status ReadPositions(const WeightNames& names) {
    if (config_.relative_bias) {
      AKIN_TRY(Take(StrCat(names.relative_attention_bias, ".weight"),
                    {{"relative_attention_num_buckets", config_.relative_bias->num_buckets},
                     {"num_attention_heads", config_.num_attention_heads}},
                    weights_.relative_attention_bias));
    }
    if (!config_.disentangled) return {};
    const Disentangled& d = *config_.disentangled;
    AKIN_TRY(Take(StrCat(names.relative_embeddings, ".weight"),
                  {{d.position_buckets > 0 ? "2 * position_buckets" : "2 * max_relative_positions",
                    2 * int64_t{d.span()}},
                   Hidden()},
                  weights_.relative_embeddings));
    if (d.norm_rel_ebd)
      AKIN_TRY(Take(std::string(names.relative_norm), Hidden(), weights_.relative_norm));
    return {};
  }

  Status ReadConvolution(const WeightNames& names) {
    if (!config_.convolution) return {};
    const int64_t kernel_size = config_.convolution->kernel_size;
    Linear& linear = weights_.convolution;
    AKIN_TRY(Take(StrCat(names.convolution, ".weight"),
                  {Hidden(), Hidden(), {"conv_kernel_size", kernel_size}}, linear.weight));
    linear.weight.shape = {config_.hidden_size, config_.hidden_size * kernel_size};
    AKIN_TRY(Take(StrCat(names.convolution, ".bias"), {Hidden()}, linear.bias));
    return Take(std::string(names.convolution_norm), Hidden(), weights_.convolution_norm);
  }

  Status ReadLayer(const std::string& layer, LayerWeights& weights) {
    const WeightNames& names = *layout_.names;
    const auto norm = [&](std::string_view name, Dim size, Norm& out) {
      return Take(StrCat(layer, name), size, out);
    };
    if (config_.first_attention_norm || !first_layer_)
      AKIN_TRY(norm(names.attention_norm, Hidden(), weights.attention_norm));
    AKIN_TRY(ReadQueryKeyValue(layer, weights));
    if (config_.query_key_norm == QueryKeyNorm::kHeads) {
      const Dim head{"head_dim", config_.head_dim};
      AKIN_TRY(norm(names.query_norm, head, weights.query_norm));
      AKIN_TRY(norm(names.key_norm, head, weights.key_norm));
    }
    AKIN_TRY(Take(StrCat(layer, names.attention_output), Hidden(), Queries(),
                  config_.attention_output_bias, weights.attention_output));
    AKIN_TRY(ReadPositionLinears(layer, weights));
    AKIN_TRY(norm(names.feed_forward_norm, Hidden(), weights.feed_forward_norm));
    if (config_.norm_placement == NormPlacement::kSandwich) {
      AKIN_TRY(norm(names.attention_branch_norm, Hidden(), weights.attention_branch_norm));
      AKIN_TRY(norm(names.feed_forward_branch_norm, Hidden(), weights.feed_forward_branch_norm));
    }
    AKIN_TRY(ReadGateAndIntermediate(layer, weights));
    return Take(StrCat(layer, names.output), Hidden(), Intermediate(), config_.output_bias,
                weights.output);
  }

  Status ReadPositionLinears(const std::string& layer, LayerWeights& weights) {
    if (!config_.disentangled || config_.disentangled->share_att_key) return {};
    if (config_.disentangled->content_to_position)
      AKIN_TRY(Take(StrCat(layer, layout_.names->position_key), Queries(), Hidden(), true,
                    weights.position_key));
    if (config_.disentangled->position_to_content)
      AKIN_TRY(Take(StrCat(layer, layout_.names->position_query), Queries(), Hidden(), true,
                    weights.position_query));
    return {};
  }

  Status ReadQueryKeyValue(const std::string& layer, LayerWeights& weights) {
    const WeightNames& names = *layout_.names;
    Linear* const parts[] = {&weights.query, &weights.key, &weights.value};
    if (names.query_key_value.empty()) {
      const std::string_view part_names[] = {names.query, names.key, names.value};
      for (size_t i = 0; i < std::size(parts); ++i)
        AKIN_TRY(Take(StrCat(layer, part_names[i]), i == 0 ? Queries() : Keys(), Hidden(),
                      config_.qkv_bias, *parts[i]));
    } else {
      const int64_t rows = Queries().size + 2 * Keys().size;
      Linear packed;
      AKIN_TRY(Take(StrCat(layer, names.query_key_value),
                    {"(num_attention_heads + 2 * num_key_value_heads) * head_dim", rows}, Hidden(),
                    config_.qkv_bias, packed));
      for (size_t i = 0; i < std::size(parts); ++i) *parts[i] = Part(packed, i);
    }
    for (const LayerAttention& attention : config_.layers) {
      if (attention.rotary < 0) continue;
      const Rotary& rotary = config_.rotary[static_cast<size_t>(attention.rotary)];
      if (rotary.interleaved) {
        PairHalves(rotary.rotary_dim, weights.query);
        PairHalves(rotary.rotary_dim, weights.key);
      }
      break;
    }
    return {};
  }

  // Query, key or value of a packed tensor: one after the other, or the three of each head
  // together.
  Linear Part(const Linear& packed, size_t part) const {
    Linear linear = packed;
    const int64_t dim = config_.head_dim, queries = Queries().size, keys = Keys().size;
    const int64_t count = part == 0 ? queries : keys;
    const int64_t first = part == 0 ? 0 : queries + static_cast<int64_t>(part - 1) * keys;
    for (int64_t j = 0; j < count; ++j) {
      const int64_t row = layout_.names->interleaved_heads
                              ? (j / dim * 3 + static_cast<int64_t>(part)) * dim + j % dim
                              : first + j;
      linear.rows.push_back(static_cast<int32_t>(row));
    }
    return linear;
  }

  // Pairs of neighbours come to stand half the rotary dimensions apart, for queries and keys alike,
  // which leaves their products as they are.
  void PairHalves(int rotary_dim, Linear& linear) const {
    std::vector<int32_t> rows(static_cast<size_t>(linear.outputs()));
    for (size_t j = 0; j < rows.size(); ++j) {
      const size_t dim = static_cast<size_t>(config_.head_dim), d = j % dim;
      const size_t rotated = static_cast<size_t>(rotary_dim), half = rotated / 2;
      size_t from = d;
      if (d < rotated) from = d < half ? 2 * d : 2 * (d - half) + 1;
      const size_t row = j - d + from;
      rows[j] = linear.rows.empty() ? static_cast<int32_t>(row) : linear.rows[row];
    }
    linear.rows = std::move(rows);
  }

  Status ReadGateAndIntermediate(const std::string& layer, LayerWeights& weights) {
    const WeightNames& names = *layout_.names;
    const bool bias = config_.intermediate_bias;
    if (!config_.gated || names.gate_and_intermediate.empty()) {
      if (config_.gated)
        AKIN_TRY(Take(StrCat(layer, names.gate), Intermediate(), Hidden(), bias, weights.gate));
      return Take(StrCat(layer, names.intermediate), Intermediate(), Hidden(), bias,
                  weights.intermediate);
    }
    Linear both;
    AKIN_TRY(Take(StrCat(layer, names.gate_and_intermediate),
                  {"2 * intermediate_size", 2 * int64_t{config_.intermediate_size}}, Hidden(), bias,
                  both));
    const auto half = [&](int64_t first) {
      Linear linear{.weight = both.weight.Rows(first, config_.intermediate_size)};
      if (bias) linear.bias = both.bias.Rows(first, config_.intermediate_size);
      return linear;
    };
    weights.gate = half(names.gate_last ? config_.intermediate_size : 0);
    weights.intermediate = half(names.gate_last ? 0 : config_.intermediate_size);
    return {};
  }

  const TensorIndex& tensors_;
  const ModelConfig& config_;
  const Layout layout_;
  bool first_layer_ = true;
  ModelWeights weights_;
};

}  // namespace

Result<ModelWeights> LoadWeights(const TensorIndex& tensors, const ModelConfig& config) {
  return WeightReader(tensors, config).Read();
}

Result<ModelWeights> LoadWeights(const ModelDirectory& directory, const ModelConfig& config) {
  if (!HasSafetensors(directory) && !ListOnnxFiles(directory).empty())
    return LoadOnnxWeights(directory, config);
  AKIN_TRY_ASSIGN(const TensorIndex tensors, TensorIndex::Open(directory));
  return LoadWeights(tensors, config);
}

}  // namespace akin::model

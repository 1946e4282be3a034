#include "model/model_config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "model/architecture.h"
#include "model/model_directory.h"

namespace akin::model {
namespace {

using formats::JsonValue;

// Far above any model, far below what could overflow a product of two.
constexpr int64_t kMaxSize = int64_t{1} << 24;
constexpr int64_t kMaxVocabulary = int64_t{1} << 27;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxRelativePositions = 1 << 16;
constexpr int64_t kMaxConvolution = 255;  // Tokens; published models have 3.
// The longest sequence where positions set no limit of their own: what memory is planned for.
constexpr int kMaxUnlimitedPositions = 1 << 15;

struct NamedActivation {
  std::string_view name;
  Activation activation;
};
// transformers' names (activations.py), and those of gates in repositories of their own.
constexpr NamedActivation kActivations[] = {{"gelu", Activation::kGelu},
                                            {"gelu_python", Activation::kGelu},
                                            {"gelu_new", Activation::kGeluTanh},
                                            {"gelu_pytorch_tanh", Activation::kGeluTanh},
                                            {"gelu_fast", Activation::kGeluTanh},
                                            {"gelu_python_tanh", Activation::kGeluTanh},
                                            {"gelu_accurate", Activation::kGeluTanh},
                                            {"relu", Activation::kRelu},
                                            {"silu", Activation::kSilu},
                                            {"swish", Activation::kSilu},
                                            {"quick_gelu", Activation::kQuickGelu},
                                            {"swiglu", Activation::kSilu},
                                            {"geglu", Activation::kGelu},
                                            {"reglu", Activation::kRelu}};

Result<Activation> FindActivation(JsonValue value, std::string_view name) {
  std::string known;
  for (const NamedActivation& row : kActivations) {
    if (row.name == name) return row.activation;
    known += StrCat(known.empty() ? "" : ", ", row.name);
  }
  return UnsupportedModel(value.Where(), " is ", value.Found(), "; supported: ", known);
}

// The value of `key`; null counts as absent.
std::optional<JsonValue> Find(JsonValue root, std::string_view key) {
  if (key.empty()) return std::nullopt;
  auto value = root.Find(key);
  if (value && value->is_null()) value.reset();
  return value;
}

// Fills a ModelConfig from config.json by the row of its architecture.
class ConfigReader {
 public:
  ConfigReader(JsonValue root, const Architecture& architecture)
      : root_(root), row_(architecture) {}

  Result<ModelConfig> Read() {
    config_.architecture = &row_;
    config_.model_type = std::string(row_.model_type);
    for (const Only& only : row_.only) AKIN_TRY(CheckOnly(only));
    AKIN_TRY(CheckNotQuantized());
    AKIN_TRY(ReadSizes());
    AKIN_TRY(ReadEmbeddings());
    AKIN_TRY(ReadNorms());
    AKIN_TRY(ReadAttention());
    AKIN_TRY(ReadPositions());
    AKIN_TRY(ReadFeedForward());
    AKIN_TRY(ReadSharing());
    return std::move(config_);
  }

 private:
  // GPTQ, AWQ, bitsandbytes, FP8: each packs its weights in a way of its own.
  Status CheckNotQuantized() const {
    const auto quantization = Find(root_, "quantization_config");
    if (!quantization) return {};
    const auto method = quantization->Find("quant_method");
    return UnsupportedModel(
        method ? method->Where() : quantization->Where(), " is ",
        method ? method->Found() : quantization->Found(),
        "; quantized weights are not read, take the model that they were made of");
  }

  // --- Values ---

  Result<int> Size(std::string_view key, int64_t min, int64_t max) {
    AKIN_TRY_ASSIGN(const JsonValue value, root_.Get(key));
    AKIN_TRY_ASSIGN(const int64_t size, value.AsIntIn(min, max));
    return static_cast<int>(size);
  }
  Result<int> SizeOr(std::string_view key, int absent, int64_t min, int64_t max) {
    if (!Find(root_, key)) return absent;
    return Size(key, min, max);
  }
  Result<int> SizeAt(std::string_view SizeKeys::* key, int64_t max) {
    return Size(KeyOf(key), 1, max);
  }
  // The spelling that the file has, or the first one.
  std::string_view KeyOf(std::string_view SizeKeys::* key) const {
    return Either(row_.keys.*key, row_.other_keys.*key);
  }
  std::string_view Either(std::string_view first, std::string_view other) const {
    return root_.Find(first) || other.empty() || !root_.Find(other) ? first : other;
  }
  Result<bool> Is(const Flag& flag) {
    const auto value = Find(root_, flag.key);
    if (!value) return flag.value;
    return value->AsBool();
  }
  Result<double> Value(const Number& number, double min, double max) {
    const auto value = Find(root_, number.key);
    if (!value) return number.value;
    AKIN_TRY_ASSIGN(const double x, value->AsDouble());
    if (!(x >= min && x <= max)) {
      return InvalidModel(value->Where(), " is ", value->Found(), ", expected a number from ", min,
                          " to ", max);
    }
    return x;
  }

  Status CheckOnly(const Only& only) {
    const auto value = Find(root_, only.key);
    if (!value) return {};
    if (only.value == "true" || only.value == "false") AKIN_TRY(value->AsBool());
    if (only.value.starts_with('"')) AKIN_TRY(value->AsString());
    if (value->Found() == only.value) return {};
    return UnsupportedModel(value->Where(), " is ", value->Found(), "; supported: ", only.value);
  }

  // --- Parts ---

  Status ReadSizes() {
    AKIN_TRY_ASSIGN(config_.vocab_size, Size("vocab_size", 1, kMaxVocabulary));
    AKIN_TRY_ASSIGN(config_.hidden_size, SizeAt(&SizeKeys::hidden_size, kMaxSize));
    AKIN_TRY_ASSIGN(config_.num_hidden_layers, SizeAt(&SizeKeys::num_hidden_layers, kMaxLayers));
    AKIN_TRY_ASSIGN(config_.num_attention_heads, SizeAt(&SizeKeys::num_attention_heads, kMaxSize));
    AKIN_TRY_ASSIGN(config_.intermediate_size, SizeAt(&SizeKeys::intermediate_size, kMaxSize));
    return ReadHeads();
  }

  Status ReadHeads() {
    const int heads = config_.num_attention_heads;
    AKIN_TRY_ASSIGN(config_.head_dim, SizeOr(row_.keys.head_dim, row_.head_dim, 1, kMaxSize));
    if (config_.head_dim == 0) {
      if (config_.hidden_size % heads != 0) {
        return InvalidModel(root_.Where(), ": ", KeyOf(&SizeKeys::hidden_size), " ",
                            config_.hidden_size, " is no multiple of ",
                            KeyOf(&SizeKeys::num_attention_heads), " ", heads);
      }
      config_.head_dim = config_.hidden_size / heads;
    }
    config_.num_key_value_heads = heads;
    if (row_.num_key_value_heads >= 0) {
      const int absent = row_.num_key_value_heads > 0 ? row_.num_key_value_heads : heads;
      AKIN_TRY_ASSIGN(config_.num_key_value_heads,
                      SizeOr("num_key_value_heads", absent, 1, kMaxSize));
    }
    if (heads % config_.num_key_value_heads != 0) {
      return InvalidModel(root_.Where(), ": num_attention_heads ", heads,
                          " is no multiple of num_key_value_heads ", config_.num_key_value_heads);
    }
    return {};
  }

  Status ReadEmbeddings() {
    config_.embedding_norm = row_.embedding_norm;
    config_.embedding_size = config_.hidden_size;
    if (row_.factorized) {
      AKIN_TRY_ASSIGN(config_.embedding_size,
                      SizeOr("embedding_size", config_.hidden_size, 1, kMaxSize));
    }
    config_.embedding_projection =
        row_.always_projected || config_.embedding_size != config_.hidden_size;
    config_.projection_before_norm = row_.projection_before_norm;
    config_.projection_bias = !row_.projection_before_norm;
    if (row_.scaled_embeddings)
      config_.embedding_scale = std::sqrt(static_cast<float>(config_.hidden_size));
    if (row_.token_types) {
      AKIN_TRY_ASSIGN(config_.type_vocab_size,
                      row_.type_vocab_size < 0
                          ? Size("type_vocab_size", 1, kMaxSize)
                          : SizeOr("type_vocab_size", row_.type_vocab_size, 0, kMaxSize));
    }
    AKIN_TRY_ASSIGN(const bool use_task_id, Is({row_.task_types ? "use_task_id" : "", false}));
    if (use_task_id) {
      AKIN_TRY_ASSIGN(config_.task_type_vocab_size, SizeOr("task_type_vocab_size", 3, 1, kMaxSize));
    }
    return {};
  }

  Status ReadNorms() {
    config_.norm = row_.norm;
    config_.norm_placement = row_.norm_placement;
    config_.norm_weight_offset = row_.norm_weight_offset;
    config_.first_attention_norm = row_.first_attention_norm;
    AKIN_TRY_ASSIGN(config_.norm_bias, Is(row_.norm_bias));
    AKIN_TRY_ASSIGN(const double eps, ReadEps());
    config_.layer_norm_eps = static_cast<float>(eps);
    if (row_.parallel_residual) {
      AKIN_TRY_ASSIGN(const bool parallel, Is({"use_parallel_residual", true}));
      if (parallel) config_.norm_placement = NormPlacement::kParallel;
    }
    return {};
  }

  Result<double> ReadEps() {
    Number eps = row_.norm_eps;
    eps.key = Either(eps.key, row_.other_norm_eps_key);
    if (const auto value = root_.Find(eps.key); value && value->is_null())
      return value->AsDouble();  // An error: what it should be is not known.
    return Value(eps, 0.0, 1.0);
  }

  Status ReadAttention() {
    AKIN_TRY_ASSIGN(config_.qkv_bias, Is(row_.qkv_bias));
    AKIN_TRY_ASSIGN(config_.attention_output_bias, Is(row_.attention_output_bias));
    config_.query_key_norm = row_.query_key_norm;
    AKIN_TRY_ASSIGN(const double softcap, Value(row_.softcap, 1e-3, 1e6));
    const auto no_softcap = root_.Find(row_.softcap.key);
    const bool null = !row_.softcap.key.empty() && no_softcap && no_softcap->is_null();
    config_.attn_logit_softcapping = null ? 0.0f : static_cast<float>(softcap);
    Number scalar = row_.attention_scalar;
    if (scalar.key.empty()) scalar.value = config_.head_dim;
    AKIN_TRY_ASSIGN(const double attention_scalar, Value(scalar, 1e-3, 1e9));
    config_.attention_scale =
        row_.unscaled_attention ? 1.0f : static_cast<float>(1.0 / std::sqrt(attention_scalar));
    return {};
  }

  // --- Positions ---

  Status ReadPositions() {
    config_.layers.assign(static_cast<size_t>(config_.num_hidden_layers), LayerAttention());
    if (row_.positions != Positions::kRelativeBias) {
      AKIN_TRY_ASSIGN(config_.max_position_embeddings,
                      SizeAt(&SizeKeys::max_position_embeddings, kMaxSize));
    }
    config_.max_positions = config_.max_position_embeddings;
    switch (row_.positions) {
      case Positions::kNone: break;
      case Positions::kLearned: config_.position_embeddings = true; break;
      case Positions::kLearnedAfterPadding: return ReadPositionsAfterPadding();
      case Positions::kLearnedAfterPaddingAndBias:
        config_.relative_bias = RelativeBias();
        return ReadPositionsAfterPadding();
      case Positions::kRotary: return ReadRotaryLayers();
      case Positions::kAlibi: config_.alibi = true; break;
      case Positions::kRelativeBias: return ReadRelativeBias();
      case Positions::kDisentangled: return ReadDisentangled();
    }
    return {};
  }

  Status ReadPositionsAfterPadding() {
    config_.position_embeddings = true;
    config_.positions_after_padding = true;
    AKIN_TRY_ASSIGN(config_.pad_token_id,
                    SizeOr("pad_token_id", row_.pad_token_id, 0, kMaxVocabulary));
    config_.max_positions = config_.max_position_embeddings - config_.pad_token_id - 1;
    if (config_.max_positions < 1) {
      return InvalidModel(root_.Where(), ": max_position_embeddings ",
                          config_.max_position_embeddings,
                          " leaves no position after pad_token_id ", config_.pad_token_id);
    }
    return {};
  }

  Status ReadRelativeBias() {
    RelativeBias bias;
    AKIN_TRY_ASSIGN(bias.num_buckets, SizeOr("relative_attention_num_buckets", 32, 4, 1 << 16));
    AKIN_TRY_ASSIGN(bias.max_distance,
                    SizeOr("relative_attention_max_distance", 128, 2, kMaxRelativePositions));
    if (bias.max_distance <= bias.num_buckets / 4) {
      return InvalidModel(root_.Where(), ": relative_attention_max_distance ", bias.max_distance,
                          " is not above a quarter of relative_attention_num_buckets ",
                          bias.num_buckets);
    }
    config_.relative_bias = bias;
    config_.max_positions = kMaxUnlimitedPositions;
    return {};
  }

  Status ReadConvolution() {
    AKIN_TRY_ASSIGN(const int kernel_size, SizeOr("conv_kernel_size", 0, 0, kMaxConvolution));
    if (kernel_size == 0) return {};
    if (kernel_size % 2 == 0) {
      return InvalidModel(root_.Get("conv_kernel_size")->Where(), " is ", kernel_size,
                          "; an even one does not give as many rows as there are tokens");
    }
    Convolution convolution{.kernel_size = kernel_size, .act = {}};
    const auto act = Find(root_, "conv_act");
    if (act && !(act->is_string() && *act->AsString() == "tanh")) {
      AKIN_TRY_ASSIGN(const std::string_view name, act->AsString());
      AKIN_TRY_ASSIGN(convolution.act, FindActivation(*act, name));
    }
    config_.convolution = convolution;
    return {};
  }

  Status ReadDisentangled() {
    AKIN_TRY(ReadConvolution());
    AKIN_TRY_ASSIGN(config_.position_embeddings, Is({"position_biased_input", true}));
    Disentangled d;
    AKIN_TRY(ReadTerms("pos_att_type",
                       {{"c2p", &d.content_to_position}, {"p2c", &d.position_to_content}}));
    // Of as many terms as are named, whether positions take part or not.
    config_.attention_scale = static_cast<float>(
        1.0 / std::sqrt(static_cast<double>(config_.head_dim) *
                        (1 + int{d.content_to_position} + int{d.position_to_content})));
    AKIN_TRY_ASSIGN(const bool relative, Is({"relative_attention", false}));
    if (!relative) return {};
    AKIN_TRY_ASSIGN(d.position_buckets, SizeOr("position_buckets", -1, -1, kMaxRelativePositions));
    AKIN_TRY_ASSIGN(d.max_relative_positions,
                    SizeOr("max_relative_positions", -1, -1, kMaxRelativePositions));
    if (d.max_relative_positions < 1) d.max_relative_positions = config_.max_position_embeddings;
    const bool too_few = d.position_buckets == 1;
    if (too_few ||
        (d.position_buckets > 0 && d.max_relative_positions <= d.position_buckets / 2 + 1)) {
      return InvalidModel(root_.Where(), ": position_buckets ", d.position_buckets,
                          " do not fit the ", d.max_relative_positions, " relative positions");
    }
    AKIN_TRY_ASSIGN(d.share_att_key, Is({"share_att_key", false}));
    AKIN_TRY(ReadTerms("norm_rel_ebd", {{"layer_norm", &d.norm_rel_ebd}, {"none", nullptr}}));
    config_.disentangled = d;
    return {};
  }

  struct Term {
    std::string_view name;
    bool* set;
  };
  // "p2c|c2p", or a list of such names.
  Status ReadTerms(std::string_view key, std::initializer_list<Term> terms) {
    const auto value = Find(root_, key);
    if (!value) return {};
    const auto take = [&](JsonValue where, std::string_view name) -> Status {
      const auto term = std::ranges::find(terms, name, &Term::name);
      if (term == terms.end())
        return UnsupportedModel(where.Where(), " is ", where.Found(), ", a term that is not known");
      if (term->set != nullptr) *term->set = true;
      return {};
    };
    if (value->is_array()) {
      for (const JsonValue element : value->elements()) {
        AKIN_TRY_ASSIGN(const std::string_view name, element.AsString());
        AKIN_TRY(take(element, name));
      }
      return {};
    }
    AKIN_TRY_ASSIGN(std::string_view text, value->AsString());
    while (!text.empty()) {
      const size_t end = std::min(text.find('|'), text.size());
      AKIN_TRY(take(*value, text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return {};
  }

  // --- Rotary positions and windows ---

  Status ReadRotaryLayers() {
    AKIN_TRY_ASSIGN(const std::vector<bool> windowed, ReadWindowedLayers());
    AKIN_TRY(ReadWindow(windowed));
    AKIN_TRY(ReadRotaries(windowed));
    return {};
  }

  // Which layers have a window.
  Result<std::vector<bool>> ReadWindowedLayers() {
    const size_t count = static_cast<size_t>(config_.num_hidden_layers);
    std::vector<bool> windowed(count, false);
    switch (row_.windows) {
      case Windows::kNone: return windowed;
      case Windows::kEveryLayer: windowed.assign(count, HasWindow()); return windowed;
      case Windows::kUpperLayers: {
        AKIN_TRY_ASSIGN(const bool use, Is({"use_sliding_window", false}));
        if (Find(root_, "layer_types")) return ReadLayerTypes();
        AKIN_TRY_ASSIGN(const int first, SizeOr("max_window_layers", 28, 0, kMaxLayers));
        for (size_t i = 0; i < count; ++i)
          windowed[i] = use && HasWindow() && i >= static_cast<size_t>(first);
        return windowed;
      }
      case Windows::kAlternating: break;
    }
    if (Find(root_, "layer_types")) return ReadLayerTypes();
    AKIN_TRY_ASSIGN(const double every, Value(row_.full_attention_every, 1.0, kMaxLayers));
    const size_t n = static_cast<size_t>(every);
    for (size_t i = 0; i < count; ++i)
      windowed[i] = (row_.full_attention_first ? i : i + 1) % n != 0;
    return windowed;
  }

  // Absent: the architecture's own, where it has one; null: none.
  bool HasWindow() const {
    const auto value = root_.Find(row_.window.key);
    return value ? !value->is_null() : row_.window.value > 0.0;
  }

  Result<std::vector<bool>> ReadLayerTypes() {
    AKIN_TRY_ASSIGN(const JsonValue types, root_.Get("layer_types"));
    AKIN_TRY_ASSIGN(const auto elements, types.AsArray());
    std::vector<bool> windowed;
    for (const JsonValue type : elements) {
      AKIN_TRY_ASSIGN(const std::string_view name, type.AsString());
      if (name != "full_attention" && name != "sliding_attention") {
        return UnsupportedModel(type.Where(), " is ", type.Found(),
                                "; supported: full_attention, sliding_attention");
      }
      windowed.push_back(name == "sliding_attention");
    }
    if (windowed.size() != config_.layers.size()) {
      return InvalidModel(types.Where(), " has ", windowed.size(), " elements, ",
                          KeyOf(&SizeKeys::num_hidden_layers), " is ", config_.num_hidden_layers);
    }
    return windowed;
  }

  Status ReadWindow(const std::vector<bool>& windowed) {
    AKIN_TRY_ASSIGN(const bool is_causal, Is({row_.causal ? "is_causal" : "", row_.causal}));
    const bool gemma3 = row_.causal && !row_.local_rope_theta.key.empty();
    AKIN_TRY_ASSIGN(const bool bidirectional,
                    Is({gemma3 ? "use_bidirectional_attention" : "", false}));
    const bool causal = is_causal && !bidirectional;
    for (LayerAttention& layer : config_.layers) {
      if (causal) layer.right = 0;
    }
    if (std::ranges::find(windowed, true) == windowed.end()) return {};
    AKIN_TRY_ASSIGN(const double number, Value(row_.window, 1.0, kMaxSize));
    const auto window = static_cast<int64_t>(number);
    // Of causal windows the query itself is one; EmbeddingGemma's and ModernBERT's state both sides
    // together; a decoder that is_causal makes bidirectional has one to each side.
    const int64_t reach = causal ? window - 1 : bidirectional || !row_.causal ? window / 2 : window;
    for (size_t i = 0; i < windowed.size(); ++i) {
      if (!windowed[i]) continue;
      config_.layers[i].left = reach;
      config_.layers[i].right = causal ? 0 : reach;
    }
    return {};
  }

  Status ReadRotaries(const std::vector<bool>& windowed) {
    AKIN_TRY_ASSIGN(const double theta, Value(row_.rope_theta, 1.0, 1e12));
    AKIN_TRY_ASSIGN(const double partial, Value(row_.partial_rotary_factor, 0.0, 1.0));
    RotaryContext context{.theta = theta,
                          .partial_rotary_factor = partial,
                          .reads_partial_rotary_factor = !row_.partial_rotary_factor.key.empty(),
                          .head_dim = config_.head_dim,
                          .max_position_embeddings = config_.max_position_embeddings};
    const bool two_kinds = !row_.local_rope_theta.key.empty();
    AKIN_TRY(AddRotary("full_attention", two_kinds, context));
    if (two_kinds) {
      AKIN_TRY_ASSIGN(context.theta, Value(row_.local_rope_theta, 1.0, 1e12));
      AKIN_TRY(AddRotary("sliding_attention", two_kinds, context));
    }
    for (size_t i = 0; i < config_.layers.size(); ++i)
      config_.layers[i].rotary = two_kinds && windowed[i] ? 1 : 0;
    return {};
  }

  // rope_parameters, there may be one for each kind of layer, or the older rope_scaling.
  Status AddRotary(std::string_view kind, bool two_kinds, const RotaryContext& context) {
    std::optional<JsonValue> parameters = Find(root_, "rope_parameters");
    if (parameters) {
      AKIN_TRY(parameters->AsObject());
      if (const auto nested = parameters->Find(kind)) {
        parameters = nested;
      } else if (two_kinds &&
                 (parameters->Find("full_attention") || parameters->Find("sliding_attention"))) {
        parameters.reset();  // Those of the other kind.
      }
    } else if (kind == "full_attention" || !row_.causal) {
      // Gemma 3 stretches its full layers only.
      parameters = Find(root_, "rope_scaling");
    }
    AKIN_TRY_ASSIGN(Rotary rotary, ReadRotary(parameters, context));
    AKIN_TRY_ASSIGN(rotary.interleaved, Is(row_.interleaved_rotary));
    config_.rotary.push_back(std::move(rotary));
    return {};
  }

  // --- Feed-forward and sharing ---

  Status ReadFeedForward() {
    AKIN_TRY_ASSIGN(config_.gated, Is(row_.gated));
    AKIN_TRY_ASSIGN(config_.intermediate_bias, Is(row_.intermediate_bias));
    AKIN_TRY_ASSIGN(config_.output_bias, Is(row_.output_bias));
    return ReadActivation();
  }

  Status ReadActivation() {
    const std::string_view key = Either(row_.activation_key, row_.other_activation_key);
    auto value = root_.Find(key);
    if (!value) {
      AKIN_TRY_ASSIGN(config_.hidden_act, FindActivation(root_, row_.activation));
      return {};
    }
    AKIN_TRY_ASSIGN(std::string_view name, value->AsString());
    // T5: "gated-gelu", whose GELU is the one by tanh.
    if (key == "feed_forward_proj" && name.starts_with("gated-")) {
      config_.gated = true;
      name.remove_prefix(6);
      if (name == "gelu") name = "gelu_new";
    }
    AKIN_TRY_ASSIGN(config_.hidden_act, FindActivation(*value, name));
    return {};
  }

  Status ReadSharing() {
    if (!row_.shared_layers) return {};
    AKIN_TRY_ASSIGN(config_.num_hidden_groups, SizeOr("num_hidden_groups", 1, 1, kMaxLayers));
    AKIN_TRY_ASSIGN(config_.inner_group_num, SizeOr("inner_group_num", 1, 1, kMaxLayers));
    if (config_.num_hidden_groups > config_.num_hidden_layers) {
      return InvalidModel(root_.Where(), ": num_hidden_groups ", config_.num_hidden_groups,
                          " is more than num_hidden_layers ", config_.num_hidden_layers);
    }
    return {};
  }

  JsonValue root_;
  const Architecture& row_;
  ModelConfig config_;
};

Result<const Architecture*> FindArchitecture(JsonValue root) {
  AKIN_TRY_ASSIGN(const JsonValue type, root.Get("model_type"));
  AKIN_TRY_ASSIGN(const std::string_view model_type, type.AsString());
  const auto positions = Find(root, "position_embedding_type");
  const Architecture* found = nullptr;
  std::string known;
  for (const Architecture& row : Architectures()) {
    if (row.position_embedding_type.empty())
      known += StrCat(known.empty() ? "" : ", ", row.model_type);
    if (row.model_type != model_type) continue;
    const bool special = !row.position_embedding_type.empty();
    if (special && !(positions && positions->is_string() &&
                     positions->AsString().value() == row.position_embedding_type))
      continue;
    found = &row;
    if (special) break;
  }
  if (found != nullptr) return found;
  return UnsupportedModel(type.Where(), " is ", type.Found(), "; supported: ", known);
}

}  // namespace

Result<ModelConfig> ParseModelConfig(const JsonValue& root) {
  AKIN_TRY(root.AsObject());
  AKIN_TRY_ASSIGN(const Architecture* const architecture, FindArchitecture(root));
  return ConfigReader(root, *architecture).Read();
}

Result<ModelConfig> LoadModelConfig(const ModelDirectory& directory) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document, directory.ReadJson("config.json"));
  return ParseModelConfig(document.root());
}

}  // namespace akin::model

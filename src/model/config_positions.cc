// Positions: learned, rotary, by bias, disentangled, and the windows of layers.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "model/config_reader.h"

namespace akin::model {

Status ConfigReader::ReadPositions() {
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

Status ConfigReader::ReadPositionsAfterPadding() {
  config_.position_embeddings = true;
  config_.positions_after_padding = true;
  AKIN_TRY_ASSIGN(config_.pad_token_id,
                  SizeOr("pad_token_id", row_.pad_token_id, 0, kMaxVocabulary));
  config_.max_positions = config_.max_position_embeddings - config_.pad_token_id - 1;
  if (config_.max_positions < 1) {
    return InvalidModel(root_.Where(), ": max_position_embeddings ",
                        config_.max_position_embeddings, " leaves no position after pad_token_id ",
                        config_.pad_token_id);
  }
  return {};
}

Status ConfigReader::ReadRelativeBias() {
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

Status ConfigReader::ReadConvolution() {
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

Status ConfigReader::ReadDisentangled() {
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

// "p2c|c2p", or a list of such names.
Status ConfigReader::ReadTerms(std::string_view key, std::initializer_list<Term> terms) {
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

Status ConfigReader::ReadRotaryLayers() {
  AKIN_TRY_ASSIGN(const std::vector<bool> windowed, ReadWindowedLayers());
  AKIN_TRY(ReadWindow(windowed));
  AKIN_TRY(ReadRotaries(windowed));
  return {};
}

// Which layers have a window.
Result<std::vector<bool>> ConfigReader::ReadWindowedLayers() {
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
  for (size_t i = 0; i < count; ++i) windowed[i] = (row_.full_attention_first ? i : i + 1) % n != 0;
  return windowed;
}

// Absent: the architecture's own, where it has one; null: none.
bool ConfigReader::HasWindow() const {
  const auto value = root_.Find(row_.window.key);
  return value ? !value->is_null() : row_.window.value > 0.0;
}

Result<std::vector<bool>> ConfigReader::ReadLayerTypes() {
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

Status ConfigReader::ReadWindow(const std::vector<bool>& windowed) {
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

Status ConfigReader::ReadRotaries(const std::vector<bool>& windowed) {
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
Status ConfigReader::AddRotary(std::string_view kind, bool two_kinds,
                               const RotaryContext& context) {
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

}  // namespace akin::model

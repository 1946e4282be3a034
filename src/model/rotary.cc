#include "model/rotary.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "base/strings.h"

namespace akin::model {
namespace {

using formats::JsonValue;

Result<double> ReadNumber(JsonValue object, std::string_view key, std::optional<double> absent,
                          double min, double max) {
  const auto value = object.Find(key);
  if (!value || value->is_null()) {
    if (absent) return *absent;
    return object.Get(key).error();
  }
  AKIN_TRY_ASSIGN(const double number, value->AsDouble());
  if (!(number >= min && number <= max)) {
    return InvalidModel(value->Where(), " is ", value->Found(), ", expected a number from ", min,
                        " to ", max);
  }
  return number;
}

constexpr double kSmall = 1e-6, kLarge = 1e12;

// 1 / theta^(2d / rotary_dim)
std::vector<float> PlainFrequencies(double theta, int rotary_dim) {
  std::vector<float> frequencies;
  for (int d = 0; d < rotary_dim; d += 2) {
    const float exponent = static_cast<float>(d) / static_cast<float>(rotary_dim);
    frequencies.push_back(1.0f / static_cast<float>(std::pow(theta, double{exponent})));
  }
  return frequencies;
}

// Reads and computes in one go; f32 where transformers has f32, because angles of late positions
// show the difference.
class Reader {
 public:
  Reader(JsonValue parameters, const RotaryContext& context, Rotary& rotary)
      : parameters_(parameters), context_(context), rotary_(rotary) {}

  Status Linear() {
    AKIN_TRY_ASSIGN(const double factor, Number("factor"));
    for (float& f : Default()) f /= static_cast<float>(factor);
    return {};
  }

  // Beyond max_position_embeddings, which no sequence is here, the base would grow.
  Status Dynamic() {
    AKIN_TRY(Number("factor"));
    Default();
    return {};
  }

  // "GTE new": as its modeling.py, with the whole stretch always (https://kexue.fm/archives/9706).
  Status Ntk() {
    AKIN_TRY_ASSIGN(const double factor, Number("factor"));
    const bool mixed = parameters_.Find("mixed_b") && !parameters_.Find("mixed_b")->is_null();
    if (mixed) {
      const JsonValue value = *parameters_.Find("mixed_b");
      return UnsupportedModel(value.Where(), " is ", value.Found(), "; supported: null");
    }
    if (factor <= 1.0) {
      Default();
      return {};
    }
    context_.theta *= factor;
    const double dim = rotary_.rotary_dim;
    for (float& f : Default()) f /= static_cast<float>(std::pow(factor, 2.0 / dim));
    return {};
  }

  Status Llama3() {
    AKIN_TRY_ASSIGN(const double factor, Number("factor"));
    AKIN_TRY_ASSIGN(const double low, Number("low_freq_factor"));
    AKIN_TRY_ASSIGN(const double high, Number("high_freq_factor"));
    AKIN_TRY_ASSIGN(const double original, OriginalPositions());
    if (!(high > low)) {
      return InvalidModel(parameters_.Where(), ": high_freq_factor ", high,
                          " is not above low_freq_factor ", low);
    }
    for (float& f : Default()) {
      const double wavelength = 2.0 * std::numbers::pi / f;
      if (wavelength > original / low) {
        f = static_cast<float>(f / factor);
      } else if (wavelength >= original / high) {
        const double smooth = (original / wavelength - low) / (high - low);
        f = static_cast<float>((1.0 - smooth) * f / factor + smooth * f);
      }
    }
    return {};
  }

  // Peng et al., 2023.
  Status Yarn() {
    AKIN_TRY_ASSIGN(const double original, OriginalPositions());
    AKIN_TRY_ASSIGN(const double factor,
                    ReadNumber(parameters_, "factor", context_.max_position_embeddings / original,
                               kSmall, kLarge));
    AKIN_TRY_ASSIGN(const double fast, Number("beta_fast", 32.0));
    AKIN_TRY_ASSIGN(const double slow, Number("beta_slow", 1.0));
    AKIN_TRY(YarnAttentionFactor(factor));
    bool truncate = true;
    if (const auto value = parameters_.Find("truncate")) {
      AKIN_TRY_ASSIGN(truncate, value->AsBool());
    }
    const double dim = rotary_.rotary_dim;
    const auto correction = [&](double rotations) {
      return dim * std::log(original / (rotations * 2.0 * std::numbers::pi)) /
             (2.0 * std::log(context_.theta));
    };
    double low = correction(fast), high = correction(slow);
    if (truncate) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, dim - 1.0);
    if (low == high) high += 0.001;
    size_t d = 0;
    for (float& f : Default()) {
      const double ramp = std::clamp((static_cast<double>(d++) - low) / (high - low), 0.0, 1.0);
      f = static_cast<float>(f / factor * ramp + f * (1.0 - ramp));
    }
    return {};
  }

  // Ding et al., 2024: a factor for each frequency, other ones for long texts.
  Status LongRope() {
    AKIN_TRY_ASSIGN(const double original, OriginalPositions());
    AKIN_TRY_ASSIGN(const double factor,
                    ReadNumber(parameters_, "factor", context_.max_position_embeddings / original,
                               kSmall, kLarge));
    const double suggested =
        factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(original));
    AKIN_TRY_ASSIGN(const double attention, Number("attention_factor", suggested));
    rotary_.attention_factor = static_cast<float>(attention);
    Default();
    rotary_.long_inverse_frequencies = rotary_.inverse_frequencies;
    AKIN_TRY(DivideBy("short_factor", rotary_.inverse_frequencies));
    AKIN_TRY(DivideBy("long_factor", rotary_.long_inverse_frequencies));
    rotary_.short_positions = static_cast<int>(original);
    return {};
  }

  Status Plain() {
    Default();
    return {};
  }

 private:
  std::vector<float>& Default() {
    return rotary_.inverse_frequencies = PlainFrequencies(context_.theta, rotary_.rotary_dim);
  }
  Result<double> Number(std::string_view key, std::optional<double> absent = std::nullopt) {
    return ReadNumber(parameters_, key, absent, kSmall, kLarge);
  }
  Result<double> OriginalPositions() {
    return ReadNumber(parameters_, "original_max_position_embeddings",
                      context_.max_position_embeddings, 2.0, 1 << 24);
  }

  Status YarnAttentionFactor(double factor) {
    const auto scale = [&](double multiplier) {
      return factor <= 1.0 ? 1.0 : 0.1 * multiplier * std::log(factor) + 1.0;
    };
    AKIN_TRY_ASSIGN(const double numerator, ReadNumber(parameters_, "mscale", 0.0, 0.0, kLarge));
    AKIN_TRY_ASSIGN(const double denominator,
                    ReadNumber(parameters_, "mscale_all_dim", 0.0, 0.0, kLarge));
    const double suggested =
        numerator != 0.0 && denominator != 0.0 ? scale(numerator) / scale(denominator) : scale(1.0);
    AKIN_TRY_ASSIGN(const double attention, Number("attention_factor", suggested));
    rotary_.attention_factor = static_cast<float>(attention);
    return {};
  }

  Status DivideBy(std::string_view key, std::vector<float>& frequencies) {
    AKIN_TRY_ASSIGN(const JsonValue list, parameters_.Get(key));
    AKIN_TRY_ASSIGN(const auto factors, list.AsArray());
    if (list.size() != frequencies.size()) {
      return InvalidModel(list.Where(), " has ", list.size(), " numbers, expected ",
                          frequencies.size(), ", half the rotary dimensions");
    }
    size_t d = 0;
    for (const JsonValue value : factors) {
      AKIN_TRY_ASSIGN(const double factor, value.AsDouble());
      if (!(factor >= kSmall && factor <= kLarge)) {
        return InvalidModel(value.Where(), " is ", value.Found(), ", expected a positive number");
      }
      frequencies[d++] /= static_cast<float>(factor);
    }
    return {};
  }

  JsonValue parameters_;
  RotaryContext context_;
  Rotary& rotary_;
};

struct Scaling {
  std::string_view name;
  Status (Reader::*read)();
};
constexpr Scaling kScalings[] = {
    {"default", &Reader::Plain},     {"linear", &Reader::Linear}, {"dynamic", &Reader::Dynamic},
    {"ntk", &Reader::Ntk},           {"llama3", &Reader::Llama3}, {"yarn", &Reader::Yarn},
    {"longrope", &Reader::LongRope}, {"su", &Reader::LongRope},  // Longrope's first name.
};

Status ReadScaling(JsonValue parameters, JsonValue type, const RotaryContext& context,
                   Rotary& rotary) {
  AKIN_TRY_ASSIGN(const std::string_view name, type.AsString());
  Reader reader(parameters, context, rotary);
  std::string known;
  for (const Scaling& scaling : kScalings) {
    if (scaling.name == name) return (reader.*scaling.read)();
    known += StrCat(known.empty() ? "" : ", ", scaling.name);
  }
  return UnsupportedModel(type.Where(), " is ", type.Found(), "; supported: ", known);
}

}  // namespace

Result<Rotary> ReadRotary(std::optional<JsonValue> parameters, RotaryContext context) {
  if (parameters && parameters->is_null()) parameters.reset();
  std::optional<JsonValue> type;
  if (parameters) {
    AKIN_TRY(parameters->AsObject());
    AKIN_TRY_ASSIGN(context.theta,
                    ReadNumber(*parameters, "rope_theta", context.theta, 1.0, kLarge));
    if (context.reads_partial_rotary_factor) {
      AKIN_TRY_ASSIGN(context.partial_rotary_factor,
                      ReadNumber(*parameters, "partial_rotary_factor",
                                 context.partial_rotary_factor, 0.0, 1.0));
    }
    type = parameters->Find("rope_type");
    if (!type) type = parameters->Find("type");
  }
  Rotary rotary;
  rotary.rotary_dim = static_cast<int>(context.head_dim * context.partial_rotary_factor);
  if (rotary.rotary_dim < 2 || rotary.rotary_dim % 2 != 0) {
    return InvalidModel(parameters ? parameters->Where() : std::string("config.json"),
                        ": rotary positions turn ", rotary.rotary_dim, " of the ", context.head_dim,
                        " elements of a head, expected an even number");
  }
  rotary.inverse_frequencies = PlainFrequencies(context.theta, rotary.rotary_dim);
  if (type) AKIN_TRY(ReadScaling(*parameters, *type, context, rotary));
  return rotary;
}

}  // namespace akin::model

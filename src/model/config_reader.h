// Fills a ModelConfig from config.json: model_config.cc reads sizes, embeddings, norms, attention
// and the feed-forward part, config_positions.cc how tokens know where they stand.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "base/strings.h"
#include "formats/json.h"
#include "model/architecture.h"
#include "model/model_config.h"

namespace akin::model {

using formats::JsonValue;

// Far above any model, far below what could overflow a product of two.
inline constexpr int64_t kMaxSize = int64_t{1} << 24;
inline constexpr int64_t kMaxVocabulary = int64_t{1} << 27;
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxRelativePositions = 1 << 16;
inline constexpr int64_t kMaxConvolution = 255;  // Tokens; published models have 3.
// The longest sequence where positions set no limit of their own: what memory is planned for.
inline constexpr int kMaxUnlimitedPositions = 1 << 15;

// The value of `key`; null counts as absent.
inline std::optional<JsonValue> Find(JsonValue root, std::string_view key) {
  if (key.empty()) return std::nullopt;
  auto value = root.Find(key);
  if (value && value->is_null()) value.reset();
  return value;
}

// By one of the names that a config.json has for it; `value` stands in the error.
Result<Activation> FindActivation(JsonValue value, std::string_view name);

// Fills a ModelConfig from config.json by the row of its architecture.
class ConfigReader {
 public:
  ConfigReader(JsonValue root, const Architecture& architecture)
      : root_(root), row_(architecture) {}

  Result<ModelConfig> Read();

 private:
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

  // --- Parts ---

  Status CheckNotQuantized() const;
  Status CheckOnly(const Only& only);
  Status ReadSizes();
  Status ReadHeads();
  Status ReadEmbeddings();
  Status ReadNorms();
  Result<double> ReadEps();
  Status ReadAttention();
  Status ReadFeedForward();
  Status ReadActivation();
  Status ReadSharing();

  // --- Positions ---

  struct Term {
    std::string_view name;
    bool* set;
  };
  Status ReadPositions();
  Status ReadPositionsAfterPadding();
  Status ReadRelativeBias();
  Status ReadConvolution();
  Status ReadDisentangled();
  Status ReadTerms(std::string_view key, std::initializer_list<Term> terms);
  Status ReadRotaryLayers();
  Result<std::vector<bool>> ReadWindowedLayers();
  bool HasWindow() const;
  Result<std::vector<bool>> ReadLayerTypes();
  Status ReadWindow(const std::vector<bool>& windowed);
  Status ReadRotaries(const std::vector<bool>& windowed);
  Status AddRotary(std::string_view kind, bool two_kinds, const RotaryContext& context);

  JsonValue root_;
  const Architecture& row_;
  ModelConfig config_;
};

}  // namespace akin::model

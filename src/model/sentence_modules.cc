#include "model/sentence_modules.h"

#include <algorithm>
#include <span>

#include "base/strings.h"
#include "formats/json.h"
#include "model/model_directory.h"

namespace akin::model {
namespace {

using formats::JsonValue;

struct PoolingRow {
  PoolingMode mode;
  std::string_view name;      // In the new "pooling_mode".
  std::string_view old_flag;  // The boolean of older files.
};
constexpr PoolingRow kPoolingModes[] = {
    {PoolingMode::kCls, "cls", "pooling_mode_cls_token"},
    {PoolingMode::kMax, "max", "pooling_mode_max_tokens"},
    {PoolingMode::kMean, "mean", "pooling_mode_mean_tokens"},
    {PoolingMode::kMeanSqrtLen, "mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens"},
    {PoolingMode::kWeightedMean, "weightedmean", "pooling_mode_weightedmean_tokens"},
    {PoolingMode::kLastToken, "lasttoken", "pooling_mode_lasttoken"},
};

// sentence-transformers' modules that are known and not implemented yet.
constexpr std::string_view kOtherModules[] = {
    "Dense",         "LayerNorm",     "Dropout", "WeightedLayerPooling",
    "CNN",           "LSTM",          "BoW",     "WordEmbeddings",
    "CLIPModel",     "Router",        "Asym",    "StaticEmbedding",
    "SpladePooling", "MLMTransformer"};

// One row of modules.json.
struct ModuleRow {
  std::string type;  // Without the package: "Pooling".
  std::string path;  // Folder, relative to the model folder; empty: the model folder itself.
};

// "sentence_transformers.models.Pooling", and "sentence_transformers.<any.module>.Pooling" of newer
// versions.
Result<std::string> ModuleType(JsonValue type) {
  AKIN_TRY_ASSIGN(const std::string_view full_name, type.AsString());
  const std::string_view name = full_name.substr(full_name.rfind('.') + 1);
  const bool known = name == "Transformer" || name == "Pooling" || name == "Normalize" ||
                     std::ranges::find(kOtherModules, name) != std::end(kOtherModules);
  if (!known || !full_name.starts_with("sentence_transformers.")) {
    return UnsupportedModel(type.Where(), " is ", type.Found(), ", a module that is not known");
  }
  return std::string(name);
}

Result<ModuleRow> ReadModule(JsonValue row, const ModelDirectory& directory) {
  AKIN_TRY(row.AsObject());
  ModuleRow module;
  AKIN_TRY_ASSIGN(const JsonValue type, row.Get("type"));
  AKIN_TRY_ASSIGN(module.type, ModuleType(type));
  AKIN_TRY_ASSIGN(const JsonValue path, row.Get("path"));
  AKIN_TRY_ASSIGN(const std::string_view path_text, path.AsString());
  module.path = std::string(path_text);
  if (module.path.starts_with('/') || module.path.find("..") != std::string::npos) {
    return InvalidModel(path.Where(), " is ", path.Found(),
                        ", expected a folder inside the model folder");
  }
  if (std::ranges::find(kOtherModules, module.type) != std::end(kOtherModules)) {
    if (!directory.Exists(module.path)) {
      return ModelNotFound("folder '", module.path, "', which modules.json names, is not there");
    }
    return UnsupportedModel(type.Where(), " is ", type.Found(),
                            ", a module that is not supported yet");
  }
  return module;
}

Result<std::vector<ModuleRow>> ReadModules(const ModelDirectory& directory) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document, directory.ReadJson("modules.json"));
  AKIN_TRY_ASSIGN(const auto rows, document.root().AsArray());
  std::vector<ModuleRow> modules;
  for (const JsonValue row : rows) {
    AKIN_TRY_ASSIGN(ModuleRow module, ReadModule(row, directory));
    modules.push_back(std::move(module));
  }
  return modules;
}

// The transformer comes first and is the model folder's own.
Status CheckTransformer(std::span<const ModuleRow> modules) {
  if (modules.empty() || modules[0].type != "Transformer") {
    return UnsupportedModel("modules.json: the first module is ",
                            modules.empty() ? "missing" : modules[0].type,
                            "; supported: Transformer");
  }
  if (!modules[0].path.empty()) {
    return UnsupportedModel("modules.json: the Transformer is in folder '", modules[0].path,
                            "'; supported: the model folder itself");
  }
  return {};
}

// The new form: a name, or a list of names.
Result<std::vector<PoolingMode>> ReadPoolingNames(JsonValue value) {
  std::vector<PoolingMode> modes;
  const auto add = [&](JsonValue name_value) -> Status {
    AKIN_TRY_ASSIGN(const std::string_view name, name_value.AsString());
    const auto row = std::ranges::find(kPoolingModes, name, &PoolingRow::name);
    if (row == std::end(kPoolingModes)) {
      return UnsupportedModel(name_value.Where(), " is ", name_value.Found(),
                              ", a pooling mode that is not known");
    }
    modes.push_back(row->mode);
    return {};
  };
  if (value.is_array()) {
    for (const JsonValue element : value.elements()) AKIN_TRY(add(element));
  } else {
    AKIN_TRY(add(value));
  }
  return modes;
}

// The old form: a boolean a mode. Absent ones are false, but for the mean, as sentence-transformers
// has it.
Result<std::vector<PoolingMode>> ReadPoolingFlags(JsonValue root) {
  std::vector<PoolingMode> modes;
  for (const PoolingRow& row : kPoolingModes) {
    bool set = row.mode == PoolingMode::kMean;
    if (const auto flag = root.Find(row.old_flag)) {
      AKIN_TRY_ASSIGN(set, flag->AsBool());
    }
    if (set) modes.push_back(row.mode);
  }
  return modes;
}

Result<Pooling> ReadPooling(const ModelDirectory& directory, const std::string& folder) {
  AKIN_TRY_ASSIGN(const formats::JsonDocument document,
                  directory.ReadJson(folder + "/config.json"));
  const JsonValue root = document.root();
  AKIN_TRY(root.AsObject());
  Pooling pooling{.folder = folder};
  for (const std::string_view key : {"word_embedding_dimension", "embedding_dimension"}) {
    const auto dimension = root.Find(key);
    if (!dimension) continue;
    AKIN_TRY_ASSIGN(const int64_t size, dimension->AsIntIn(1, INT32_MAX));
    pooling.dimension = static_cast<int>(size);
  }
  const auto names = root.Find("pooling_mode");
  AKIN_TRY_ASSIGN(pooling.modes, names ? ReadPoolingNames(*names) : ReadPoolingFlags(root));
  if (pooling.modes.empty()) return InvalidModel(root.Where(), ": no pooling mode is true");
  if (const auto include = root.Find("include_prompt")) {
    AKIN_TRY_ASSIGN(pooling.include_prompt, include->AsBool());
  }
  return pooling;
}

Result<Module> LoadModule(const ModelDirectory& directory, const ModuleRow& row) {
  if (row.type == "Normalize") return Module(Normalize{row.path});
  if (row.type == "Pooling") {
    AKIN_TRY_ASSIGN(Pooling pooling, ReadPooling(directory, row.path));
    return Module(std::move(pooling));
  }
  return UnsupportedModel("modules.json: a second ", row.type, " in folder '", row.path,
                          "'; supported: one, the first module");
}

// The prompt that default_prompt_name names; empty for none.
Result<std::string> ReadDefaultPrompt(const ModelDirectory& directory) {
  AKIN_TRY_ASSIGN(const auto document,
                  directory.ReadJsonIfExists("config_sentence_transformers.json"));
  if (!document) return std::string();
  AKIN_TRY(document->root().AsObject());
  const auto name = document->root().Find("default_prompt_name");
  if (!name || name->is_null()) return std::string();
  AKIN_TRY_ASSIGN(const std::string_view name_text, name->AsString());
  AKIN_TRY_ASSIGN(const JsonValue prompts, document->root().Get("prompts"));
  const auto prompt = prompts.Find(name_text);
  if (!prompt)
    return InvalidModel(name->Where(), " is ", name->Found(), ", which \"prompts\" does not have");
  AKIN_TRY_ASSIGN(const std::string_view text, prompt->AsString());
  return std::string(text);
}

// What is read of tokenizer_config.json.
struct TokenizerConfig {
  std::optional<double> model_max_length;  // May be a number too large for any integer: no limit.
  std::optional<TruncationSide> truncation_side;
};

Result<TokenizerConfig> ReadTokenizerConfig(const ModelDirectory& directory) {
  TokenizerConfig config;
  AKIN_TRY_ASSIGN(const auto document, directory.ReadJsonIfExists("tokenizer_config.json"));
  if (!document) return config;
  AKIN_TRY(document->root().AsObject());
  if (const auto value = document->root().Find("model_max_length"); value && !value->is_null()) {
    AKIN_TRY_ASSIGN(config.model_max_length, value->AsDouble());
    if (*config.model_max_length < 1.0) {
      return InvalidModel(value->Where(), " is ", value->Found(), ", expected at least 1");
    }
  }
  if (const auto value = document->root().Find("truncation_side"); value && !value->is_null()) {
    AKIN_TRY_ASSIGN(const std::string_view side, value->AsString());
    if (side != "left" && side != "right") {
      return InvalidModel(value->Where(), " is ", value->Found(),
                          ", expected \"left\" or \"right\"");
    }
    config.truncation_side = side == "left" ? TruncationSide::kLeft : TruncationSide::kRight;
  }
  return config;
}

Status ReadTransformerConfig(const ModelDirectory& directory, int max_positions,
                             SentenceModules& modules) {
  AKIN_TRY_ASSIGN(const auto document, directory.ReadJsonIfExists("sentence_bert_config.json"));
  std::optional<JsonValue> max_length;
  if (document) {
    AKIN_TRY(document->root().AsObject());
    max_length = document->root().Find("max_seq_length");
    if (const auto lower = document->root().Find("do_lower_case"); lower && !lower->is_null()) {
      AKIN_TRY_ASSIGN(const bool lower_case, lower->AsBool());
      if (lower_case) {
        return UnsupportedModel(lower->Where(), " is true, which is not supported yet");
      }
    }
  }
  AKIN_TRY_ASSIGN(const TokenizerConfig tokenizer, ReadTokenizerConfig(directory));
  modules.truncation_side = tokenizer.truncation_side;
  if (!max_length || max_length->is_null()) {
    const double limit = tokenizer.model_max_length.value_or(max_positions);
    modules.max_tokens = limit < max_positions ? static_cast<int>(limit) : max_positions;
    return {};
  }
  AKIN_TRY_ASSIGN(const int64_t length, max_length->AsIntIn(1, INT32_MAX));
  // Models exist whose limit is beyond their positions; what cannot be computed is cut.
  modules.max_tokens = static_cast<int>(std::min<int64_t>(length, max_positions));
  return {};
}

}  // namespace

std::string_view PoolingModeName(PoolingMode mode) {
  return std::ranges::find(kPoolingModes, mode, &PoolingRow::mode)->name;
}

Result<SentenceModules> LoadSentenceModules(const ModelDirectory& directory,
                                            const ModelConfig& config) {
  SentenceModules result;
  AKIN_TRY(ReadTransformerConfig(directory, config.max_positions, result));
  AKIN_TRY_ASSIGN(result.default_prompt, ReadDefaultPrompt(directory));
  if (!directory.Exists("modules.json")) {
    // A bare transformers folder: sentence-transformers gives it mean pooling and no normalization.
    result.modules.push_back(Pooling{.modes = {PoolingMode::kMean}});
    return result;
  }
  AKIN_TRY_ASSIGN(const std::vector<ModuleRow> rows, ReadModules(directory));
  AKIN_TRY(CheckTransformer(rows));
  for (const ModuleRow& row : std::span(rows).subspan(1)) {
    AKIN_TRY_ASSIGN(Module module, LoadModule(directory, row));
    result.modules.push_back(std::move(module));
  }
  return result;
}

}  // namespace akin::model

#include "model/modules.h"

#include <algorithm>
#include <span>

#include "base/strings.h"
#include "model/model_directory.h"
#include "model/tensor_index.h"

namespace akin::model {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

constexpr int64_t kMaxWidth = int64_t{1} << 24;

struct ActivationRow {
  std::string_view torch_class;  // Without the package.
  std::string_view name;         // transformers' (activations.py).
  RowActivation activation;
};
constexpr ActivationRow kActivations[] = {
    {"Identity", "linear", RowActivation::kIdentity},
    {"Tanh", "tanh", RowActivation::kTanh},
    {"ReLU", "relu", RowActivation::kRelu},
    {"GELU", "gelu", RowActivation::kGelu},
    {"GELUTanh", "gelu_pytorch_tanh", RowActivation::kGeluTanh},
    {"NewGELUActivation", "gelu_new", RowActivation::kGeluTanh},
    {"SiLU", "silu", RowActivation::kSilu},
    {"SiLU", "swish", RowActivation::kSilu},
    {"Sigmoid", "sigmoid", RowActivation::kSigmoid},
    {"LeakyReLU", "leaky_relu", RowActivation::kLeakyRelu},
    {"ELU", "elu", RowActivation::kElu},
    {"Softplus", "softplus", RowActivation::kSoftplus},
};

struct PoolingRow {
  PoolingMode mode;
  std::string_view old_flag;  // The boolean of older files.
};
constexpr PoolingRow kPoolingFlags[] = {
    {PoolingMode::kCls, "pooling_mode_cls_token"},
    {PoolingMode::kMax, "pooling_mode_max_tokens"},
    {PoolingMode::kMean, "pooling_mode_mean_tokens"},
    {PoolingMode::kMeanSqrtLen, "pooling_mode_mean_sqrt_len_tokens"},
    {PoolingMode::kWeightedMean, "pooling_mode_weightedmean_tokens"},
    {PoolingMode::kLastToken, "pooling_mode_lasttoken"},
};

// The new form: a name, or a list of names. Outputs are joined in the order of the list.
Result<std::vector<PoolingMode>> ReadPoolingNames(JsonValue value) {
  std::vector<PoolingMode> modes;
  const auto add = [&](JsonValue name_value) -> Status {
    AKIN_TRY_ASSIGN(const std::string_view name, name_value.AsString());
    const Result<PoolingMode> mode = ParsePoolingMode(name);
    if (!mode || *mode == PoolingMode::kSplade) {
      return UnsupportedModel(name_value.Where(), " is ", name_value.Found(),
                              ", a pooling mode that is not known");
    }
    modes.push_back(*mode);
    return {};
  };
  if (value.is_array()) {
    for (const JsonValue element : value.elements()) AKIN_TRY(add(element));
  } else {
    AKIN_TRY(add(value));
  }
  return modes;
}

// The old form: a boolean a mode, joined in the order above. Absent ones are false, but for the
// mean, as sentence-transformers has it.
Result<std::vector<PoolingMode>> ReadPoolingFlags(JsonValue root) {
  std::vector<PoolingMode> modes;
  for (const PoolingRow& row : kPoolingFlags) {
    bool set = row.mode == PoolingMode::kMean;
    if (const auto flag = root.Find(row.old_flag)) {
      AKIN_TRY_ASSIGN(set, flag->AsBool());
    }
    if (set) modes.push_back(row.mode);
  }
  return modes;
}

Result<bool> ReadBool(JsonValue root, std::string_view key, bool absent) {
  const auto value = root.Find(key);
  if (!value || value->is_null()) return absent;
  return value->AsBool();
}

Result<int64_t> ReadWidth(JsonValue root, std::string_view key) {
  AKIN_TRY_ASSIGN(const JsonValue value, root.Get(key));
  return value.AsIntIn(1, kMaxWidth);
}

// "sentence_embedding" and "token_embeddings" are what the rows of a chain are anyway; other keys
// would carry them past the chain.
Status CheckFeatureNames(JsonValue root) {
  for (const std::string_view key : {"module_input_name", "module_output_name"}) {
    const auto value = root.Find(key);
    if (!value || value->is_null()) continue;
    AKIN_TRY_ASSIGN(const std::string_view name, value->AsString());
    if (name != "sentence_embedding" && name != "token_embeddings") {
      return UnsupportedModel(value->Where(), " is ", value->Found(),
                              "; supported: \"sentence_embedding\", \"token_embeddings\"");
    }
  }
  return {};
}

}  // namespace

Result<RowActivation> ParseRowActivation(JsonValue value) {
  AKIN_TRY_ASSIGN(const std::string_view full_name, value.AsString());
  const std::string_view name = full_name.substr(full_name.rfind('.') + 1);
  std::string known;
  for (const ActivationRow& row : kActivations) {
    const bool torch = full_name.starts_with("torch.") || full_name.starts_with("transformers.");
    if (torch ? row.torch_class == name : row.name == full_name) return row.activation;
    known += StrCat(known.empty() ? "" : ", ", row.torch_class);
  }
  return UnsupportedModel(value.Where(), " is ", value.Found(), "; supported of torch.nn: ", known);
}

Result<Module> LoadPooling(const ModelDirectory& directory, const std::string& folder) {
  AKIN_TRY_ASSIGN(const JsonDocument document, directory.ReadJson(folder + "/config.json"));
  const JsonValue root = document.root();
  AKIN_TRY(root.AsObject());
  Pooling pooling{.folder = folder};
  for (const std::string_view key : {"word_embedding_dimension", "embedding_dimension"}) {
    const auto dimension = root.Find(key);
    if (!dimension) continue;
    AKIN_TRY_ASSIGN(const int64_t size, dimension->AsIntIn(1, kMaxWidth));
    pooling.dimension = static_cast<int>(size);
  }
  const auto names = root.Find("pooling_mode");
  AKIN_TRY_ASSIGN(pooling.modes, names ? ReadPoolingNames(*names) : ReadPoolingFlags(root));
  if (pooling.modes.empty()) return InvalidModel(root.Where(), ": no pooling mode is true");
  AKIN_TRY_ASSIGN(pooling.include_prompt, ReadBool(root, "include_prompt", true));
  return Module(std::move(pooling));
}

Result<Module> LoadDense(const ModelDirectory& directory, const std::string& folder,
                         ModuleWeights& weights) {
  AKIN_TRY_ASSIGN(const JsonDocument document, directory.ReadJson(folder + "/config.json"));
  const JsonValue root = document.root();
  AKIN_TRY(root.AsObject());
  AKIN_TRY(CheckFeatureNames(root));
  Dense dense{.folder = folder, .activation = RowActivation::kTanh};
  AKIN_TRY_ASSIGN(const int64_t in, ReadWidth(root, "in_features"));
  AKIN_TRY_ASSIGN(const int64_t out, ReadWidth(root, "out_features"));
  AKIN_TRY_ASSIGN(const bool bias, ReadBool(root, "bias", true));
  AKIN_TRY_ASSIGN(const bool residual, ReadBool(root, "use_residual", false));
  if (const auto activation = root.Find("activation_function")) {
    AKIN_TRY_ASSIGN(dense.activation, ParseRowActivation(*activation));
  }
  AKIN_TRY_ASSIGN(const TensorIndex tensors, TensorIndex::Open(directory, folder));
  const Dim outputs{"out_features", out}, inputs{"in_features", in};
  AKIN_TRY_ASSIGN(dense.weight, tensors.Get("linear.weight", {outputs, inputs}));
  if (bias) {
    AKIN_TRY_ASSIGN(dense.bias, tensors.Get("linear.bias", {outputs}));
  } else if (tensors.Contains("linear.bias")) {
    return InvalidModel(root.Where(), ": \"bias\" is false, but ", tensors.name(),
                        " has a tensor 'linear.bias'");
  }
  dense.add_input = residual && in == out;
  if (residual && in != out) {
    AKIN_TRY_ASSIGN(dense.residual, tensors.Get("residual.weight", {outputs, inputs}));
  }
  weights.push_back(tensors);
  return Module(std::move(dense));
}

Result<Module> LoadLayerNorm(const ModelDirectory& directory, const std::string& folder,
                             ModuleWeights& weights) {
  AKIN_TRY_ASSIGN(const JsonDocument document, directory.ReadJson(folder + "/config.json"));
  AKIN_TRY(document.root().AsObject());
  AKIN_TRY_ASSIGN(const int64_t size, ReadWidth(document.root(), "dimension"));
  AKIN_TRY_ASSIGN(const TensorIndex tensors, TensorIndex::Open(directory, folder));
  RowLayerNorm norm{.folder = folder};
  AKIN_TRY_ASSIGN(norm.weight, tensors.Get("norm.weight", {{"dimension", size}}));
  AKIN_TRY_ASSIGN(norm.bias, tensors.Get("norm.bias", {{"dimension", size}}));
  weights.push_back(tensors);
  return Module(std::move(norm));
}

}  // namespace akin::model

// What is done with the rows of the transformer, as data: one struct a module, its weights read
// and checked. `folder` stands in messages.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "akin/options.h"
#include "akin/result.h"

#include "formats/json.h"
#include "model/tensor.h"

namespace akin::model {

class ModelDirectory;
class TensorIndex;

// PyTorch's activation functions, elementwise.
enum class RowActivation {
  kIdentity,
  kTanh,
  kRelu,
  kGelu,
  kGeluTanh,
  kSilu,
  kSigmoid,
  kLeakyRelu,
  kElu,
  kSoftplus,
};

// By the class, "torch.nn.modules.activation.Tanh", or by transformers' name, "gelu_new". Error:
// UnsupportedModel, listing what is known.
Result<RowActivation> ParseRowActivation(formats::JsonValue name);

// Token states -> one vector: the outputs of the modes side by side.
struct Pooling {
  std::string folder;
  std::vector<PoolingMode> modes;
  bool include_prompt = true;    // False: tokens of the prompt take no part.
  std::optional<int> dimension;  // Values in a state, where the file says it.
};

// y = activation(x W^T + b), and the residual's x or x R^T added to it.
struct Dense {
  std::string folder;
  Tensor weight;    // [out, in]
  Tensor bias;      // [out], or empty.
  Tensor residual;  // [out, in], or empty.
  bool add_input = false;
  RowActivation activation = RowActivation::kIdentity;
};

struct RowLayerNorm {
  std::string folder;
  Tensor weight;  // [width]
  Tensor bias;    // [width], or empty.
  float eps = 1e-5f;
};

// Rows are scaled to length 1.
struct Normalize {
  std::string folder;
};

// SPLADE (Formal et al., 2021): a weight of every vocabulary entry, the largest (or the sum) over
// the tokens of log(1 + relu(x W^T + b)). Without weights, as of a folder that has an ONNX file
// only, it is for rows that are the logits x W^T + b already.
struct VocabularyPooling {
  std::string folder;
  Tensor weight;  // [vocabulary, in], or empty.
  Tensor bias;    // [vocabulary], or empty.
  bool sum = false;
  bool log_twice = false;  // log(1 + log(1 + relu(x)))
};

using Module = std::variant<Pooling, Dense, RowLayerNorm, Normalize, VocabularyPooling>;

// Whether they pool by the first token alone: of other tokens' rows they read none.
inline bool ReadOnlyFirstRows(std::span<const Module> modules) {
  const auto* pooling = modules.empty() ? nullptr : std::get_if<Pooling>(&modules.front());
  return pooling != nullptr && std::ranges::all_of(pooling->modes, [](PoolingMode mode) {
           return mode == PoolingMode::kCls;
         });
}

// Each reads the files in the module's folder of the model. Errors: InvalidModel, UnsupportedModel,
// ModelNotFound; they name the file and the key. Tensors live as long as their index, which is
// added to `weights`.
using ModuleWeights = std::vector<TensorIndex>;
Result<Module> LoadPooling(const ModelDirectory& directory, const std::string& folder);
Result<Module> LoadDense(const ModelDirectory& directory, const std::string& folder,
                         ModuleWeights& weights);
Result<Module> LoadLayerNorm(const ModelDirectory& directory, const std::string& folder,
                             ModuleWeights& weights);

}  // namespace akin::model

// modules.json and the folders it names -> what follows the transformer, as sentence-transformers
// defines it; for a bare transformers folder, what its class has on top of the encoder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/options.h"
#include "akin/result.h"

#include "model/modules.h"
#include "model/tensor_index.h"
#include "model/text_settings.h"

namespace akin::model {

class ModelDirectory;

// The modules, in order, that make one kind of output of the transformer's rows.
struct Head {
  Output output = Output::kDense;
  // None of kScores: the head's weights are in ONNX files only (AddOnnxHead).
  std::vector<Module> modules;
};

// Queries are filled up with mask tokens, which get vectors of their own.
struct QueryExpansion {
  int length = 32;
  bool attend = false;  // The other tokens see the mask tokens, too.
};

// How a late-interaction model (ColBERT: Khattab and Zaharia, 2020) reads queries and documents.
struct LateInteraction {
  std::optional<int> query_length, document_length;  // Limits in tokens.
  std::optional<QueryExpansion> expansion;
  std::vector<std::string> skiplist_words;  // Tokens whose vectors are left out,
  bool skip_in_queries = false;             // of documents, or of queries too.
  bool skip_first = false;                  // The first token's is left out (BGE-M3).
};

// What makes the first rows of a text's tokens.
enum class InputKind {
  kTransformer,
  kTokenTable,  // A vector of each token, of which the mean is taken (StaticEmbedding, model2vec).
  kTokenWeights,  // One weight of each token (SparseStaticEmbedding).
};

struct SentenceModules {
  ModelKind kind = ModelKind::kDense;
  InputKind input = InputKind::kTransformer;
  std::vector<Head> heads;
  // Outputs that the folder has only in a form that is not read, and what can be done about it.
  std::vector<std::pair<Output, std::string>> unreadable;
  // Folder of the input module, with its config.json, tokenizer and weights: "" for the model
  // folder itself.
  std::string input_folder;
  ModuleWeights weights;  // Keeps the modules' tensors alive.
  TextSettings text;
  LateInteraction late;
  std::vector<std::string> labels;
  ScoreActivation score_activation = ScoreActivation::kRaw;
  std::vector<int> matryoshka_dimensions;
  bool pooling_is_assumed = false;      // Neither the folder nor the caller says how to pool,
  bool normalizing_is_assumed = false;  // the folder not whether to normalize.
};

// A folder without modules.json is a bare transformers folder: mean pooling, no normalization, as
// sentence-transformers has it, or the head of its class. `pooling` is used in place of the
// folder's own; `route` is one of ReadRoutes' (model/module_rows.h). Errors: InvalidModel,
// UnsupportedModel, ModelNotFound (a module's folder); they name the file and the key.
Result<SentenceModules> LoadSentenceModules(const ModelDirectory& directory,
                                            std::optional<PoolingMode> pooling = std::nullopt,
                                            std::string_view route = {});

// Of a folder whose weights are in ONNX files only, a head of kScores has no modules at first, and
// VocabularyPooling no weights: they are for a backend that takes the encoder out of the folder's
// default ONNX file. One that runs a graph, of whichever file, gives the logits itself, and weights
// from the default one need not be those of its states. This reads them where the default file has
// a head that is known; everything else stays as it is. `directory` is the model folder. Errors:
// InvalidModel, ModelNotFound (config.json).
Status AddOnnxHead(const ModelDirectory& directory, SentenceModules& modules);

}  // namespace akin::model

// What there is to know of a loaded model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "akin/options.h"

namespace akin {

struct NamedPrompt {
  std::string name;
  std::string text;
};

// What was loaded and how it runs.
struct ModelInfo {
  std::string model;         // The name given to Load, or the last part of the folder's path.
  std::string path;          // The folder.
  std::string architecture;  // config.json's "model_type".
  ModelKind kind = ModelKind::kDense;  // What it was made for,
  std::vector<Output> outputs;         // and all that it can give.
  int dimension = 0;                   // Values in a dense vector; 0 if it gives none.
  int token_dimension = 0;             // Values in a vector of EmbedMultiVector.
  int max_tokens = 0;     // Limit of a text unless a call says otherwise, from the model's files.
  int max_positions = 0;  // What a call may raise it to.
  int num_layers = 0;
  int hidden_size = 0;
  int num_heads = 0;
  int vocab_size = 0;
  int64_t num_parameters = 0;
  std::string pooling;     // "mean", "cls", ...
  bool normalize = false;  // The model's own modules end with a normalization.
  std::vector<NamedPrompt> prompts;
  std::string default_prompt_name;  // Of `prompts`; empty: texts get none.
  std::vector<std::string> labels;  // Of scores, by index.
  std::vector<int>
      matryoshka_dimensions;  // That the model was trained to be cut to, if it says so.
  std::string similarity;     // "cosine", "dot", "MaxSim", ...; empty: not said.
  std::string backend;        // "native"
  std::string precision;      // "f32"
  // Why: "requested", or what the gate of Precision::kAuto measured.
  std::string precision_reason;
  std::string isa;  // "avx512"
  int num_threads = 0;
  int batch_tokens = 0;
  std::vector<int32_t> shape_buckets;  // Lengths that texts are padded to; empty: to none.
  bool batch_invariant = false;        // A text's vector has the same bits alone and in any batch.
  // Of a backend outside of Akin: what runs which file,
  std::string backend_detail;  // "onnx/model.onnx in ONNX Runtime 1.32.0 (/usr/lib/...)"
  // what was asked for and could not be had, or is worth knowing,
  std::vector<std::string> notes;
  // and how many of the graph's nodes each execution provider ran; empty: not counted.
  struct ProviderNodes {
    std::string name;  // "CPUExecutionProvider"
    int num_nodes = 0;
  };
  std::vector<ProviderNodes> execution_providers;
  double load_ms = 0;

  bool Gives(Output output) const;
};

}  // namespace akin

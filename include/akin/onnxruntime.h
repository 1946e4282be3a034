// How ONNX Runtime runs a model (BackendKind::kOnnxRuntime). docs/execution-providers.md says which
// library has which provider and what its options are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/result.h"

namespace akin {

// One of ONNX Runtime's execution providers, to be tried in the order given.
struct ExecutionProvider {
  std::string name;       // ONNX Runtime's name: "CoreMLExecutionProvider".
  bool required = false;  // False: the next one is tried when this one cannot be had.
  std::vector<std::pair<std::string, std::string>> options;  // Passed on as they are.
};

// ONNX Runtime's name of a short one, in capitals or not: "coreml" -> "CoreMLExecutionProvider".
// Other names are returned as they are.
std::string ExecutionProviderName(std::string_view name);
// The inverse, for people: "coreml"; the name itself when it has no short form.
std::string ShortExecutionProviderName(std::string_view name);
// The short names that exist.
std::vector<std::string> ShortExecutionProviderNames();
// "NAME[:required][:key=value,...]"; a comma in a value is written "\,". Error: InvalidInput.
Result<ExecutionProvider> ParseExecutionProvider(std::string_view text);

// How much a graph is rewritten at load: by ONNX Runtime; kAll: by Akin, too (its layers).
enum class GraphOptimization { kNone, kBasic, kExtended, kAll };
std::string_view GraphOptimizationName(GraphOptimization level);
Result<GraphOptimization> ParseGraphOptimization(std::string_view name);

struct OnnxRuntimeOptions {
  // With BackendKind::kAuto: what is set here asks for this backend. False: it counts only where
  // this backend is taken for the model's sake.
  bool ask_for_backend = true;
  // The shared library, or a folder with it. Empty: AKIN_ORT_LIBRARY in the environment, the
  // program's folder, the system.
  std::string library;
  // The ONNX file in the model folder, as "onnx/model_O4.onnx". Empty: chosen by the precision.
  std::string onnx_file;
  // Which of the graph's outputs is taken. Empty: the first of last_hidden_state,
  // token_embeddings, sentence_embedding, pooler_output, logits that there is, or else the first
  // of floating-point numbers.
  std::string output;
  // In the order of preference; what none of them computes, the CPU does.
  std::vector<ExecutionProvider> providers;
  // Plug-ins to load before: name and path.
  std::vector<std::pair<std::string, std::string>> provider_libraries;
  // Lengths that sequences are padded to, rising, for providers that compile a graph for each
  // shape. Empty: the longest of the batch.
  std::vector<int32_t> shape_buckets;
  GraphOptimization optimization = GraphOptimization::kAll;
  // A folder that optimized graphs are kept in, so that the next load does not optimize again.
  // Empty: none are kept.
  std::string optimized_model_cache;
  // A text's vector has the same bits alone and in any batch: each sequence is a call of its own.
  // Unset: where the graph is quantized dynamically, because there a neighbour changes the vector.
  std::optional<bool> batch_invariant;
  // A run that takes longer is ended with an error. 0: none is.
  int run_timeout_ms = 60'000;
  // Count which provider runs how many nodes (ModelInfo::execution_providers) also when no
  // provider is asked for.
  bool count_nodes = false;
  // Further entries of ONNX Runtime's session configuration, passed on as they are.
  std::vector<std::pair<std::string, std::string>> session_config;
};

// What ONNX Runtime's library offers.
struct OnnxRuntimeInfo {
  std::string path;
  std::string version;
  std::vector<std::string> providers;  // Built in.
  // Of plug-ins: provider and kind of device ("cpu", "gpu", "npu"); of one without devices: "".
  std::vector<std::pair<std::string, std::string>> plugin_devices;
};

// Loads the library and the plug-ins named. Errors: as Embedder::Load.
Result<OnnxRuntimeInfo> DescribeOnnxRuntime(const OnnxRuntimeOptions& options = {});

}  // namespace akin

#pragma once

#include <cstddef>
#include <memory>

#include "akin/onnxruntime.h"
#include "akin/options.h"

#include "backends/backend.h"
#include "model/model_directory.h"

namespace akin::backends {

struct OnnxRuntimeParams {
  OnnxRuntimeOptions options;
  Precision precision = Precision::kAuto;  // Chooses the ONNX file when the options name none.
  Isa isa = Isa::kAuto;                    // Of the kernels that compute linear layers.
  int num_threads = 1;
  // The most tokens of a batch. Shapes up to it are run at load where each has to be compiled.
  int batch_tokens = 512;
  // Filled into padded places: some graphs count positions from the tokens that are not it.
  int32_t pad_token_id = 0;
  // The model's vectors are made of the rows of first tokens: it is worth while to compute them
  // alone (RaggedBatch::only_first_rows).
  bool wants_only_first_rows = false;
  // The model's answers are made of the output "logits" where the graph has it beside others.
  bool prefers_logits = false;
  // Linear layers with weights of at least so many bytes are computed by our own kernels, on the
  // CPU and at the highest level of optimization. ONNX Runtime has smaller ones in the CPU's cache.
  size_t least_linear_bytes = size_t{1} << 16;
  // Longest sequence, from the model's other files; 0: they do not say.
  int max_positions = 0;
};

// ONNX Runtime on the folder's ONNX file. Any number of runs may be under way; on return the
// graph has been run. Errors: ModelNotFound (no ONNX file for the precision), InvalidModel,
// UnsupportedModel (also: no library, this build has no such backend), InvalidInput (an option).
Result<std::unique_ptr<Backend>> LoadOnnxRuntimeBackend(const model::ModelDirectory& directory,
                                                        const OnnxRuntimeParams& params);

// The ONNX file that `options` or the precision chooses, a path in the folder. Without a file for
// the precision it is the one in f32, and `notes` says so. Errors: ModelNotFound (the message lists
// those that are there), UnsupportedModel.
Result<std::string> ChooseOnnxFile(const model::ModelDirectory& directory,
                                   const OnnxRuntimeOptions& options, Precision precision,
                                   std::vector<std::string>& notes);

}  // namespace akin::backends

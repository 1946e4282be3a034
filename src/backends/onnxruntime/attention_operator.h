// akin:Attention (attention_layers.h) as ONNX Runtime calls it.
#pragma once

#include "backends/onnxruntime/attention_layers.h"
#include "backends/onnxruntime/custom_operator.h"
#include "kernels/kernels.h"

namespace akin::backends::onnxruntime {

// Borrows everything. Its address stays.
class AttentionOperator : private OrtCustomOp {
 public:
  AttentionOperator(const OrtApi& api, const kernels::Kernels& kernels, int num_threads);
  AttentionOperator(const AttentionOperator&) = delete;
  AttentionOperator& operator=(const AttentionOperator&) = delete;
  const OrtCustomOp* op() const { return this; }

 private:
  class Kernel;

  const OrtApi& api_;
  const kernels::Kernels& kernels_;
  const size_t num_threads_;  // Of a run.
};

}  // namespace akin::backends::onnxruntime

// akin:Linear (linear_layers.h) as ONNX Runtime calls it.
#pragma once

#include "backends/onnxruntime/custom_operator.h"
#include "backends/onnxruntime/linear_layers.h"

namespace akin::backends::onnxruntime {

// Borrows everything. Its address stays.
class LinearOperator : private OrtCustomOp {
 public:
  LinearOperator(const OrtApi& api, const LinearWeights& weights, int num_threads);
  LinearOperator(const LinearOperator&) = delete;
  LinearOperator& operator=(const LinearOperator&) = delete;
  const OrtCustomOp* op() const { return this; }

 private:
  class Kernel;

  const OrtApi& api_;
  const LinearWeights& weights_;
  const size_t num_threads_;  // Of a run.
};

}  // namespace akin::backends::onnxruntime

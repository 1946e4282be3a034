// akin:Linear (linear_layers.h) as ONNX Runtime calls it.
#pragma once

#include "akin/result.h"

#include "backends/onnxruntime/library.h"
#include "backends/onnxruntime/linear_layers.h"

namespace akin::backends::onnxruntime {

// The operator for the sessions whose runs take `num_threads` threads. It, and the weights, outlive
// those sessions: they keep pointers to both.
class LinearOperator : private OrtCustomOp {
 public:
  static Result<std::unique_ptr<LinearOperator>> Create(const Library& library,
                                                        const LinearWeights& weights,
                                                        int num_threads);
  LinearOperator(const LinearOperator&) = delete;
  LinearOperator& operator=(const LinearOperator&) = delete;

  // Before a session is made of `options`.
  Status AddTo(OrtSessionOptions* options) const;

 private:
  class Kernel;
  LinearOperator(const Library& library, const LinearWeights& weights, int num_threads);

  const Library& library_;
  const LinearWeights& weights_;
  const int num_threads_;
  Handle<OrtCustomOpDomain> domain_;
};

}  // namespace akin::backends::onnxruntime

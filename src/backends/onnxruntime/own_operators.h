// The operators of ours that sessions get: akin:Linear and akin:Attention.
#pragma once

#include <memory>

#include "akin/result.h"

#include "backends/onnxruntime/attention_operator.h"
#include "backends/onnxruntime/library.h"
#include "backends/onnxruntime/linear_operator.h"

namespace akin::backends::onnxruntime {

// For the sessions whose runs take `num_threads` threads. They, and the weights, outlive those
// sessions, which keep pointers to both.
class OwnOperators {
 public:
  static Result<std::unique_ptr<OwnOperators>> Create(const Library& library,
                                                      const LinearWeights& weights,
                                                      int num_threads);
  OwnOperators(const OwnOperators&) = delete;
  OwnOperators& operator=(const OwnOperators&) = delete;

  // Before a session is made of `options`.
  Status AddTo(OrtSessionOptions* options) const;

 private:
  OwnOperators(const Library& library, const LinearWeights& weights, int num_threads);

  const Library& library_;
  LinearOperator linear_;
  AttentionOperator attention_;
  Handle<OrtCustomOpDomain> domain_;
};

}  // namespace akin::backends::onnxruntime

#include "backends/onnxruntime/own_operators.h"

namespace akin::backends::onnxruntime {
namespace {

constexpr char kDoing[] = "an operator of ONNX Runtime";

}  // namespace

OwnOperators::OwnOperators(const Library& library, const LinearWeights& weights, int num_threads)
    : library_(library),
      linear_(library.api(), weights, num_threads),
      attention_(library.api(), weights.kernels(), num_threads) {}

Result<std::unique_ptr<OwnOperators>> OwnOperators::Create(const Library& library,
                                                           const LinearWeights& weights,
                                                           int num_threads) {
  const OrtApi& api = library.api();
  std::unique_ptr<OwnOperators> made(new OwnOperators(library, weights, num_threads));
  OrtCustomOpDomain* domain = nullptr;
  AKIN_TRY(
      library.Check(api.CreateCustomOpDomain(kOwnDomain, &domain), ErrorCode::kInternal, kDoing));
  made->domain_ = {domain, api.ReleaseCustomOpDomain};
  for (const OrtCustomOp* op : {made->linear_.op(), made->attention_.op()})
    AKIN_TRY(library.Check(api.CustomOpDomain_Add(domain, op), ErrorCode::kInternal, kDoing));
  return made;
}

Status OwnOperators::AddTo(OrtSessionOptions* options) const {
  return library_.Check(library_.api().AddCustomOpDomain(options, domain_.get()),
                        ErrorCode::kInternal, kDoing);
}

}  // namespace akin::backends::onnxruntime

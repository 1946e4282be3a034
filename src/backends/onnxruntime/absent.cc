// Stands in for this backend in a build without it (AKIN_ONNXRUNTIME=OFF).
#include "akin/onnxruntime.h"

#include "backends/onnxruntime/onnxruntime_backend.h"
#include "base/strings.h"

namespace akin {
namespace {

Error NotBuilt() {
  return UnsupportedModel("this build of akin has no backend onnxruntime (AKIN_ONNXRUNTIME=OFF)");
}

}  // namespace

namespace backends {

Result<std::unique_ptr<Backend>> LoadOnnxRuntimeBackend(const model::ModelDirectory&,
                                                        const OnnxRuntimeParams&) {
  return NotBuilt();
}

}  // namespace backends

Result<OnnxRuntimeInfo> DescribeOnnxRuntime(const OnnxRuntimeOptions&) { return NotBuilt(); }

}  // namespace akin

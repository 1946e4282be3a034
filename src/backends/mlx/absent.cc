// Stands in for this backend in a build without it (AKIN_MLX=OFF).
#include "backends/mlx/mlx_backend.h"
#include "base/strings.h"

namespace akin::backends {

Result<std::unique_ptr<Backend>> LoadMlxBackend(const model::ModelDirectory&,
                                                const model::ModelConfig&, Precision) {
  return UnsupportedModel(
      "this build of akin has no backend mlx (AKIN_MLX=OFF; ./dev mlx makes one that has)");
}

}  // namespace akin::backends

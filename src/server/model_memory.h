// What the models of a server will take of memory, as `akin plan` knows it before they are loaded:
// lines of the log for `akin serve --check`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "akin/memory_plan.h"
#include "akin/model_info.h"
#include "akin/result.h"

#include "server/log.h"
#include "server/model_registry.h"

namespace akin::server {

class ModelMemory {
 public:
  // Plans all models of `options`, which outlive this; while none of them is loaded, for a plan
  // measures the process that makes it.
  explicit ModelMemory(const RegistryOptions& options);

  // Of model `i`, which has been loaded to see, as `info` says it.
  void Log(Logger& logger, size_t i, const ModelInfo& info);
  // Of all of them beside each other, beside what a machine or a cgroup has; a warning where that
  // is less. `budget_bytes`: what the server may hold besides, under load. 0 as the limit: unknown.
  void LogSum(Logger& logger, int64_t budget_bytes, int64_t limit_bytes) const;

  // At most, of models that take so much each, of which `max_loaded` stay (0: all): one more is
  // there until another has gone.
  static int64_t BytesAtOnce(std::vector<int64_t> models, size_t max_loaded);

 private:
  const RegistryOptions& options_;
  std::vector<Result<MemoryPlan>> plans_;
  std::vector<int64_t> bytes_;   // Of each logged model that could be planned.
  int64_t measuring_bytes_ = 0;  // What the first load of one takes beyond that, at most.
  size_t num_unknown_ = 0;
};

}  // namespace akin::server

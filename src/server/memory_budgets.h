// What a server may hold beside its models: the bounds on memory that its parts keep, in one list.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "server/serve.h"

namespace akin::server {

struct MemoryBudget {
  std::string_view name;    // "answers"
  std::string_view option;  // Which changes it, with its dashes; empty: it is fixed.
  int64_t bytes = 0;        // At most.
};

std::vector<MemoryBudget> MemoryBudgets(const ServeOptions& options);

}  // namespace akin::server

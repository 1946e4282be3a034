// Four times the capacity: what becomes of the answers, the refusals, health and metrics.
#pragma once

#include <span>

#include "serve_load/figures.h"
#include "serve_load/load_client.h"
#include "serve_load/server_process.h"

namespace akin::bench {

// As many texts as are sent while one waits, and more: the server computes equal ones that wait
// together once.
inline constexpr size_t kOverloadTexts = 2500;

// `seconds` of overload and as many of capacity. A wrong or lost answer fails the run.
void MeasureOverload(const ServerProcess& server, std::span<const PreparedRequest> requests,
                     double seconds, Figures& figures);

}  // namespace akin::bench

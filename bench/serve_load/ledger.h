// The ledger: from half of the capacity to eight times it, in bursts and with clients that leave,
// each request comes to exactly one thing, and the server has counted the same.
#pragma once

#include <span>

#include "serve_load/figures.h"
#include "serve_load/load_client.h"
#include "serve_load/server_process.h"

namespace akin::bench {

// About `seconds` of load. What does not balance fails the run.
void KeepLedger(const ServerProcess& server, std::span<const PreparedRequest> requests,
                double seconds, Figures& figures);

}  // namespace akin::bench

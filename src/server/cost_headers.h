// What an answer cost, as headers: of HTTP's answers, and of gRPC's as trailing metadata.
#pragma once

#include <vector>

#include "server/exchange.h"
#include "server/http/message.h"

namespace akin::server {

double MillisecondsSince(Exchange::Clock::time_point begin);

// Those that TEI's clients know, and, where something was cut, `x-truncated-tokens`. None of an
// answer for which no model has run.
std::vector<HttpHeader> CostHeaders(const ExchangeCosts& costs, double total_ms);

}  // namespace akin::server

#include "server/cost_headers.h"

#include <chrono>
#include <cstdint>
#include <string>

#include "server/text.h"

namespace akin::server {
namespace {

std::string Milliseconds(double value) { return StrCat(static_cast<int64_t>(value + 0.5)); }

}  // namespace

double MillisecondsSince(Exchange::Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Exchange::Clock::now() - begin).count();
}

std::vector<HttpHeader> CostHeaders(const ExchangeCosts& costs, double total_ms) {
  if (!costs.computed) return {};
  std::vector<HttpHeader> headers = {{"x-compute-type", "cpu"},
                                     {"x-compute-time", Milliseconds(total_ms)},
                                     {"x-compute-characters", StrCat(costs.characters)},
                                     {"x-compute-tokens", StrCat(costs.tokens)},
                                     {"x-total-time", Milliseconds(total_ms)},
                                     {"x-tokenization-time", Milliseconds(costs.tokenize_ms)},
                                     {"x-queue-time", Milliseconds(costs.queue_ms)},
                                     {"x-inference-time", Milliseconds(costs.compute_ms)}};
  if (costs.truncated_tokens > 0)
    headers.push_back({"x-truncated-tokens", StrCat(costs.truncated_tokens)});
  return headers;
}

}  // namespace akin::server

#include "server/request_log.h"

#include <chrono>
#include <utility>

namespace akin::server {
namespace {

void AppendCosts(const ExchangeCosts& costs, std::vector<LogField>& fields) {
  if (!costs.computed) return;
  fields.insert(fields.end(), {{"model", costs.model},
                               {"texts", costs.texts},
                               {"tokens", costs.tokens},
                               {"truncated_tokens", costs.truncated_tokens},
                               {"tokenize_ms", costs.tokenize_ms},
                               {"queue_ms", costs.queue_ms},
                               {"compute_ms", costs.compute_ms}});
}

// A trace that the caller does not sample is not ours to sample; one that begins here is.
bool IsWanted(const TraceContext& trace) { return trace.parent_id.empty() || trace.sampled; }

}  // namespace

void RequestLog::Write(const RequestIdentity& who, const ExchangeCosts& costs,
                       Ending ending) const {
  const auto took = Exchange::Clock::now() - who.begin;
  if (traces_ != nullptr && ending.has_span && IsWanted(who.trace)) {
    using SystemClock = std::chrono::system_clock;
    const auto end = SystemClock::now();
    traces_->Add({.trace = who.trace,
                  .name = std::move(ending.span_name),
                  .attributes = std::move(ending.attributes),
                  .is_fault = ending.is_fault,
                  .begin = end - std::chrono::duration_cast<SystemClock::duration>(took),
                  .end = end,
                  .costs = costs});
  }
  if (!logger_.Wants(ending.level)) return;
  std::vector<LogField> fields = {
      {"id", who.id}, {"trace_id", who.trace.trace_id}, {"client", who.peer}};
  fields.insert(fields.end(), std::make_move_iterator(ending.fields.begin()),
                std::make_move_iterator(ending.fields.end()));
  fields.emplace_back("total_ms", std::chrono::duration<double, std::milli>(took).count());
  AppendCosts(costs, fields);
  logger_.Log(ending.level, "request", std::move(fields));
}

}  // namespace akin::server

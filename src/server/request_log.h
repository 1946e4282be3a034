// What is written of each request when it ends, whatever transport brought it: a line in the log,
// and a span if a collector is there and the trace is sampled.
#pragma once

#include <string>
#include <vector>

#include "server/exchange.h"
#include "server/log.h"
#include "server/otlp.h"

namespace akin::server {

// How a request ended, in the words of its transport.
struct Ending {
  LogLevel level = LogLevel::kInfo;
  std::vector<LogField> fields;           // Of the line: what was asked for, and the status.
  std::string span_name;                  // "POST /embed": never a path that a client made up.
  std::vector<LogField> attributes = {};  // Of the span, the same under OpenTelemetry's names.
  bool is_fault = false;                  // The server's own.
  bool has_span = true;
};

// Of any thread.
class RequestLog {
 public:
  explicit RequestLog(Logger& logger) : logger_(logger) {}

  // Where spans go; null: nowhere. Before the first request.
  void set_traces(TraceExporter* traces) { traces_ = traces; }
  const TraceExporter* traces() const { return traces_; }

  void Write(const RequestIdentity& who, const ExchangeCosts& costs, Ending ending) const;

 private:
  Logger& logger_;
  TraceExporter* traces_ = nullptr;
};

}  // namespace akin::server

// Spans of requests, sent to an OpenTelemetry collector (OTLP over HTTP, JSON:
// https://opentelemetry.io/docs/specs/otlp/) by a thread of their own. A collector that is slow or
// gone costs spans, which are counted, and never a request.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "akin/result.h"

#include "server/exchange.h"
#include "server/log.h"

namespace akin::server {

// A request that was answered.
struct Span {
  TraceContext trace;
  std::string name;                  // "POST /embed": never a path that a client made up.
  std::vector<LogField> attributes;  // Of the transport: what was asked for, and the status.
  bool is_fault = false;             // The server's own.
  std::chrono::system_clock::time_point begin, end;
  ExchangeCosts costs;
};

// The body of an export request.
std::string OtlpJson(const std::vector<Span>& spans, std::string_view service_name);

// Where spans go: http://HOST:PORT, and /v1/traces behind its path.
struct OtlpTarget {
  std::string host, port, path;
};
// Error: InvalidInput (no http URL).
Result<OtlpTarget> ParseOtlpEndpoint(std::string_view endpoint);

class TraceExporter {
 public:
  TraceExporter(OtlpTarget target, std::string service_name, Logger& logger);
  // Waits for nobody: a collector, or whoever knows its address, may say nothing for long. Spans
  // that are not sent by then are lost; StopWithin comes before.
  ~TraceExporter();
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  // Of any thread; returns at once.
  void Add(Span span);
  // Sends what is left, for as long at most; false: there was more. Spans of later are not sent.
  bool StopWithin(std::chrono::milliseconds most);
  int64_t exported() const;
  int64_t dropped() const;

 private:
  class Sender;
  // The thread's, too, which may outlive the exporter.
  const std::shared_ptr<Sender> sender_;
  std::thread thread_;
};

}  // namespace akin::server

// Spans of requests, sent to an OpenTelemetry collector (OTLP over HTTP, JSON:
// https://opentelemetry.io/docs/specs/otlp/) by a thread of their own. A collector that is slow or
// gone costs spans, which are counted, and never a request.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
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
  // Sends what is left, for a moment.
  ~TraceExporter();
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  // Of any thread; returns at once.
  void Add(Span span);
  // Sends what is left, for as long at most; false: there was more. Spans of later are not sent.
  bool StopWithin(std::chrono::milliseconds most);
  int64_t exported() const { return exported_; }
  int64_t dropped() const { return dropped_; }

 private:
  void SendUntilStopped();
  // False: the collector did not take them.
  bool Send(const std::vector<Span>& spans) const;

  const OtlpTarget target_;
  const std::string service_name_;
  Logger& logger_;
  std::atomic<int64_t> exported_{0}, dropped_{0};
  std::mutex mutex_;
  std::condition_variable wake_, ended_;
  std::vector<Span> waiting_;  // Guarded by mutex_,
  bool stopping_ = false;      // likewise,
  bool has_ended_ = false;     // likewise: the sender sends no more.
  std::thread sender_;
};

}  // namespace akin::server

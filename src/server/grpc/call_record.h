// What a call writes into log, trace and metrics when it ends: one line, one span and one count,
// however many messages it has.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/embeddings.h"
#include "akin/scheduler.h"

#include "server/exchange.h"
#include "server/grpc/status.h"
#include "server/http/message.h"
#include "server/line_limit.h"
#include "server/metrics/metrics.h"
#include "server/request_log.h"

namespace akin::server {

// "tei.v1.Embed" and "EmbedStream".
struct RpcName {
  std::string_view service, method;

  std::string Text() const;  // "tei.v1.Embed/EmbedStream"; without a service, the method.
};

// Of any thread.
class CallRecord {
 public:
  CallRecord(const RequestLog& log, Metrics& metrics, const RpcName& name, RequestIdentity who)
      : log_(log), metrics_(metrics), name_(name), who_(std::move(who)) {}

  const std::string& id() const { return who_.id; }
  // Of the client (kShortDeadline): no fault of ours. Before the call is handed on.
  void set_has_short_deadline() { has_short_deadline_ = true; }
  // An answer within the call: of so many texts, that have so many characters together.
  struct Input {
    int64_t texts = 0, characters = 0;
  };
  void Add(const std::string& model, const Input& input, const Usage& usage);
  // Of its last request to the queue; before that, what the caller said, if anything.
  void set_priority(std::optional<Priority> priority);
  std::optional<Priority> priority() const;
  // What the call's trailing metadata says of all its answers so far.
  std::vector<HttpHeader> Costs() const;
  // Once, before the client learns the status.
  void End(const GrpcStatus& status) const;
  // Likewise, of a call that is over before it has begun: it has no span, and a line as `limit`,
  // which may be null, lets it.
  void EndEarly(const GrpcStatus& status, LogLevel level, LineLimit* limit) const;

 private:
  const RequestLog& log_;
  Metrics& metrics_;
  const RpcName name_;
  const RequestIdentity who_;
  bool has_short_deadline_ = false;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  ExchangeCosts costs_;  // Of all answers.
  std::optional<Priority> priority_;
};

}  // namespace akin::server

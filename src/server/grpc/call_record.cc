#include "server/grpc/call_record.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "server/model_calls.h"
#include "server/text.h"

namespace akin::server {
namespace {

// Of https://grpc.io/docs/guides/status-codes, by their numbers.
constexpr std::string_view kCodeNames[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

// The codes that OpenTelemetry counts as errors of a server; in HTTP they are 500 and more.
bool IsFault(grpc::StatusCode code) {
  constexpr grpc::StatusCode kFaults[] = {grpc::UNKNOWN,   grpc::DEADLINE_EXCEEDED,
                                          grpc::INTERNAL,  grpc::UNIMPLEMENTED,
                                          grpc::DATA_LOSS, grpc::UNAVAILABLE};
  return std::ranges::find(kFaults, code) != std::end(kFaults);
}

}  // namespace

std::string RpcName::Text() const { return StrCat(service, '/', method); }

std::string_view NameOf(grpc::StatusCode code) {
  const auto number = static_cast<size_t>(code);
  return number < std::size(kCodeNames) ? kCodeNames[number] : kCodeNames[grpc::UNKNOWN];
}

void CallRecord::Add(const std::string& model, int64_t texts, const Usage& usage) {
  const std::lock_guard lock(mutex_);
  costs_.model = model;
  costs_.texts += texts;
  AddUsage(usage, costs_);
}

void CallRecord::End(const grpc::Status& status) const {
  const grpc::StatusCode code = status.error_code();
  const std::string name = name_.Text();
  metrics_.CountCall(name, NameOf(code));
  std::vector<LogField> fields = {{"method", name}, {"grpc_status", NameOf(code)}};
  if (IsFault(code)) fields.emplace_back("error", status.error_message());
  const std::lock_guard lock(mutex_);
  log_.Write(who_, costs_,
             {.level = IsFault(code) ? LogLevel::kWarn : LogLevel::kInfo,
              .fields = std::move(fields),
              .span_name = name,
              .attributes = {{"rpc.system", "grpc"},
                             {"rpc.service", name_.service},
                             {"rpc.method", name_.method},
                             {"rpc.grpc.status_code", static_cast<int>(code)}},
              .is_fault = IsFault(code)});
}

}  // namespace akin::server

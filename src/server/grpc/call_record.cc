#include "server/grpc/call_record.h"

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "server/cost_headers.h"
#include "server/model_calls.h"
#include "server/text.h"

namespace akin::server {

std::string RpcName::Text() const {
  return service.empty() ? std::string(method) : StrCat(service, '/', method);
}

void CallRecord::Add(const std::string& model, const Input& input, const Usage& usage) {
  const std::lock_guard lock(mutex_);
  costs_.model = model;
  costs_.texts += input.texts;
  costs_.characters += input.characters;
  AddUsage(usage, costs_);
}

void CallRecord::set_priority(std::optional<Priority> priority) {
  const std::lock_guard lock(mutex_);
  priority_ = priority;
}

std::optional<Priority> CallRecord::priority() const {
  const std::lock_guard lock(mutex_);
  return priority_;
}

std::vector<HttpHeader> CallRecord::Costs() const {
  const std::lock_guard lock(mutex_);
  return CostHeaders(costs_, MillisecondsSince(who_.begin));
}

void CallRecord::End(const GrpcStatus& status) const {
  const GrpcCode code = status.code;
  const std::string name = name_.Text();
  metrics_.CountCall(name, NameOf(code));
  std::vector<LogField> fields = {{"method", name}, {"grpc_status", NameOf(code)}};
  const bool was_asked_for = code == GrpcCode::kDeadlineExceeded && has_short_deadline_;
  const bool is_fault = IsFault(code) && !status.is_clients && !was_asked_for;
  if (is_fault) fields.emplace_back("error", status.message);
  if (!status.full.of.empty()) fields.emplace_back("full", status.full.of);
  if (!status.full.option.empty()) fields.emplace_back("option", status.full.option);
  const std::lock_guard lock(mutex_);
  log_.Write(who_, costs_,
             {.level = is_fault ? LogLevel::kWarn : LogLevel::kInfo,
              .fields = std::move(fields),
              .span_name = name,
              .attributes = {{"rpc.system", "grpc"},
                             {"rpc.service", name_.service},
                             {"rpc.method", name_.method},
                             {"rpc.grpc.status_code", static_cast<int>(code)}},
              .is_fault = is_fault});
}

void CallRecord::EndEarly(const GrpcStatus& status, LogLevel level, LineLimit* limit) const {
  const std::string name = name_.Text();
  metrics_.CountCall(name, NameOf(status.code));
  const auto left_out =
      limit == nullptr ? std::optional<int64_t>(0) : limit->Next(std::chrono::steady_clock::now());
  if (!left_out) return;
  std::vector<LogField> fields = {{"method", name}, {"grpc_status", NameOf(status.code)}};
  if (*left_out > 0) fields.emplace_back("like_it", *left_out);
  log_.Write(who_, {},
             {.level = level, .fields = std::move(fields), .span_name = {}, .has_span = false});
}

}  // namespace akin::server

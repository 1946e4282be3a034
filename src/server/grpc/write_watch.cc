#include "server/grpc/write_watch.h"

namespace akin::server {

void WriteWatch::Begin(grpc::CallbackServerContext* context) {
  const std::lock_guard lock(mutex_);
  deadlines_.insert_or_assign(context, Clock::now() + timeout_);
}

void WriteWatch::End(grpc::CallbackServerContext* context) {
  const std::lock_guard lock(mutex_);
  deadlines_.erase(context);
}

void WriteWatch::Sweep(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  std::vector<grpc::CallbackServerContext*> late;
  for (const auto& [context, deadline] : deadlines_) {
    if (now >= deadline) late.push_back(context);
  }
  for (grpc::CallbackServerContext* const context : late) {
    if (deadlines_.erase(context) > 0) context->TryCancel();
  }
}

size_t WriteWatch::size() const {
  const std::lock_guard lock(mutex_);
  return deadlines_.size();
}

}  // namespace akin::server

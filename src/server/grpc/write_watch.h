// Calls whose answers wait for their clients to take them, as HTTP's --write-timeout has it: a
// client that reads nothing keeps an answer in memory no longer than that.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <map>
#include <mutex>
#include <vector>

namespace akin::server {

// Of any thread. Outlives its calls.
class WriteWatch {
 public:
  using Clock = std::chrono::steady_clock;

  explicit WriteWatch(std::chrono::milliseconds timeout) : timeout_(timeout) {}

  // Between Begin and End, which comes before gRPC lets go of the context.
  void Begin(grpc::CallbackServerContext* context);
  void End(grpc::CallbackServerContext* context);
  // Cancels those that have waited too long.
  void Sweep(Clock::time_point now);
  // How many wait.
  size_t size() const;

 private:
  const std::chrono::milliseconds timeout_;
  // gRPC may end a call on the thread that cancels it.
  mutable std::recursive_mutex mutex_;
  std::map<grpc::CallbackServerContext*, Clock::time_point> deadlines_;  // Guarded by mutex_.
};

}  // namespace akin::server

// A scheduler, and requests to it whose answers can be waited for.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "akin/scheduler.h"

namespace akin {

inline constexpr char kModel[] = AKIN_TEST_DATA "/models/bert-mean";

inline Embedder Model() {
  static const Embedder embedder = Embedder::Load(kModel, {.num_threads = 2}).value();
  return embedder;
}

inline std::unique_ptr<Scheduler> Started(SchedulerOptions options = {}) {
  if (options.num_threads == 0) options.num_threads = 2;
  return std::move(Scheduler::Start(options)).value();
}

// A request, and a future for its answer.
struct Asked {
  Result<Scheduler::Ticket> ticket;
  std::future<Result<AllEmbeddings>> answer;
};
inline Asked Ask(Scheduler& scheduler, EmbedRequest request) {
  auto promise = std::make_shared<std::promise<Result<AllEmbeddings>>>();
  auto answer = promise->get_future();
  auto ticket = scheduler.Submit(std::move(request), [promise](Result<AllEmbeddings> result) {
    promise->set_value(std::move(result));
  });
  return {std::move(ticket), std::move(answer)};
}

// Keeps every worker of `scheduler` busy until it is destroyed.
class Blockade {
 public:
  explicit Blockade(Scheduler& scheduler) {
    for (int i = 0; i < scheduler.num_threads(); ++i) {
      auto begun = std::make_shared<std::promise<void>>();
      begun_.push_back(begun->get_future());
      EXPECT_TRUE(scheduler.Submit(WorkRequest{.work =
                                                   [begun, gate = gate_] {
                                                     begun->set_value();
                                                     gate.wait();
                                                   }},
                                   [](const Status&) {}));
      begun_.back().wait();
    }
  }
  ~Blockade() { Lift(); }
  void Lift() {
    if (!std::exchange(lifted_, true)) open_.set_value();
  }

 private:
  std::promise<void> open_;
  std::shared_future<void> gate_ = open_.get_future().share();
  bool lifted_ = false;
  std::vector<std::future<void>> begun_;
};

}  // namespace akin

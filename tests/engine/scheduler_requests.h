// A scheduler, and requests to it whose answers can be waited for.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "akin/scheduler.h"

namespace akin {

inline constexpr char kModel[] = AKIN_TEST_DATA "/models/bert-mean";

inline Embedder Model() {
  static const Embedder embedder = Embedder::Load(kModel, {.num_threads = 2}).value();
  return embedder;
}

// The vector of a text alone.
inline std::vector<float> Alone(const std::string& text) {
  const auto embeddings = Model().Embed({text}).value();
  return {embeddings[0].begin(), embeddings[0].end()};
}

// A text of 1 to 13 words.
inline std::string TextOf(unsigned i) {
  std::string text;
  for (unsigned k = 0; k <= i % 13; ++k) text += "word" + std::to_string(i * 7 + k) + ' ';
  return text;
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

// What `done` was told of, and where it ran.
struct Told {
  std::optional<Result<AllEmbeddings>> answer;
  std::thread::id thread;
};
inline Scheduler::Done<AllEmbeddings> TellInto(Told& told) {
  return [&told](Result<AllEmbeddings> answer) {
    told = {std::move(answer), std::this_thread::get_id()};
  };
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

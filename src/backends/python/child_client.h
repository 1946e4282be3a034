// A child process kept alive, and requests to it.
//
// One thread owns the child: it starts it, has it load the model, reads its answers, notices its
// end, and starts the next one. Callers write their requests themselves, one after the other, and
// wait for the thread to hand them the answer with their number; so several requests are in flight,
// and the child finds the next one in its socket when it has answered the last.
//
//   starting --model loaded--> ready --the child ends--> starting ... --too often--> refusing
//
// A child that ends fails the requests it had; the next ones wait for its successor. One that ends
// again and again without an answer in between is started after longer and longer waits, and in
// the end requests are refused at once, until a start succeeds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "akin/result.h"

#include "backends/python/child_process.h"
#include "backends/python/message_reader.h"
#include "backends/python/protocol.h"

namespace akin::backends::python {

struct ClientOptions {
  std::vector<std::string> argv;
  std::string what;  // argv[0] in messages: "the interpreter".
  LoadRequest load;
  std::chrono::milliseconds start_timeout{60'000};
  std::chrono::milliseconds answer_timeout{30'000};
  // Before the third start in a row; doubled each time, up to the longest.
  std::chrono::milliseconds first_back_off{100};
  std::chrono::milliseconds longest_back_off{5'000};
  int failures_until_refusal = 5;  // In a row.
};

// What has happened since the start.
struct ClientCounts {
  int64_t starts = 0;           // Children started.
  int64_t unknown_answers = 0;  // With a number that nobody waits for: dropped.
  int64_t wrong_answers = 0;    // Of another count or width, or not finite.
};

class ChildClient {
 public:
  // Starts the child and has it load the model. Errors: InvalidInput (the program cannot be run),
  // ServiceUnavailable (it ends or says nothing), Internal (what it says is not the protocol), and
  // the child's own.
  static Result<std::unique_ptr<ChildClient>> Start(ClientOptions options);
  // Ends the child. No call is under way.
  ~ChildClient();
  ChildClient(const ChildClient&) = delete;
  ChildClient& operator=(const ChildClient&) = delete;

  const Description& description() const { return description_; }

  // Sends the request and waits for `rows` rows of the description's width, which are finite. They
  // are left in `exchange`, which is made if it is null and serves one call at a time. Any number
  // of threads. Errors: ServiceUnavailable (the child ended or cannot be kept running),
  // DeadlineExceeded, Internal (a wrong answer), and the child's own.
  Status Call(const RequestText& request, size_t rows, std::shared_ptr<Exchange>& exchange);

  ClientCounts counts() const;
  // The running child, for those who want to disturb it; -1: none.
  pid_t child_pid() const;

 private:
  class Life;
  enum class State { kStarting, kReady, kRefusing };
  using Clock = std::chrono::steady_clock;
  using ProcessPtr = std::shared_ptr<ChildProcess>;

  explicit ChildClient(ClientOptions options) : options_(std::move(options)) {}

  void Supervise();
  // Runs one child to its end; why it ended.
  Error RunChild();
  // Waits before the next start. False: there is to be none.
  bool PauseAfter(Error end);
  void FailWaiting(const Error& error);

  // Waits for a child that is ready, and takes a number. Error: ServiceUnavailable.
  Result<ProcessPtr> Register(const std::shared_ptr<Exchange>& exchange, int64_t& id);
  Status Send(const ChildProcess& process, int64_t id, const RequestText& request,
              Clock::time_point deadline);
  Status Await(int64_t id, const ProcessPtr& process, Exchange& exchange,
               Clock::time_point deadline);
  // Of a child that is still the one that runs.
  void Kill(const ProcessPtr& process);

  const ClientOptions options_;
  Description description_;  // Of the first child, written before Start returns.

  std::mutex write_mutex_;  // One request after the other; never held together with mutex_.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  State state_ = State::kStarting;
  bool described_ = false;
  ProcessPtr process_;  // Null: none is running, or it is being ended.
  std::map<int64_t, std::shared_ptr<Exchange>> waiting_;
  int64_t next_id_ = 1;
  int failures_ = 0;  // Ends in a row without an answer in between.
  std::optional<Error> last_end_;
  ClientCounts counts_;
  bool stopping_ = false;

  UniqueFd wake_reader_, wake_writer_;  // Closing the writer ends the thread's wait.
  std::thread thread_;
};

}  // namespace akin::backends::python

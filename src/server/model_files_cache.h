// What is known of the models' folders, looked at off the event loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "akin/result.h"

#include "server/model_files.h"

namespace akin::server {

// Whoever lists models asks often, and a folder may be on a slow file system: so it is looked at
// again after some seconds only, and on a thread of its own, which the first question starts. A
// file system may also hang, and no system call hears that it is to end: whoever waits can be
// answered without the thread, and the thread left behind.
class ModelFilesCache {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  using Look = std::function<std::optional<ModelFiles>(const std::string& source, std::stop_token)>;
  using Found = std::vector<std::optional<ModelFiles>>;  // For each source.
  using Then = std::function<void(Result<Found>)>;
  using Ticket = uint64_t;

  // Besides the first, whose folders are being looked at.
  static constexpr size_t kMostWaiting = 256;
  static constexpr std::chrono::seconds kLookAgain{5};

  ModelFilesCache();
  explicit ModelFilesCache(Look look, Now now = Clock::now);  // For tests.
  // Waits for the thread, unless StopUntil has left it.
  ~ModelFilesCache();
  ModelFilesCache(const ModelFilesCache&) = delete;
  ModelFilesCache& operator=(const ModelFilesCache&) = delete;

  // Calls `then` once with the files of each source, which is a path or a name as for
  // Embedder::Load: here, where all have been looked at a moment ago or kMostWaiting others wait;
  // else on the thread, and there is a ticket. Errors, on the thread of whoever calls these:
  // DeadlineExceeded (EndExpired), Cancelled (Cancel), ServiceUnavailable (Abandon).
  std::optional<Ticket> Of(std::vector<std::string> sources, Clock::time_point deadline, Then then);

  // Of one who waits no longer nothing happens.
  void Cancel(Ticket ticket);
  // Those whose deadline has passed. To be called a few times a second.
  void EndExpired();
  // All who wait, and whoever comes from now on.
  void Abandon();
  // Abandons, and waits for the thread. False: it hangs in a folder beyond `until`, and is left.
  [[nodiscard]] bool StopUntil(Clock::time_point until);

 private:
  struct State;  // The thread's, too.

  const std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace akin::server

// What is known of the models' folders, looked at off the event loop.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "server/model_files.h"

namespace akin::server {

// Whoever lists models asks often, and a folder may be on a slow file system: so it is looked at
// again after some seconds only, and on a thread of its own, which the first question starts.
class ModelFilesCache {
 public:
  using Look = std::function<std::optional<ModelFiles>(const std::string& source, std::stop_token)>;
  using Found = std::vector<std::optional<ModelFiles>>;  // For each source.
  using Then = std::function<void(Found)>;

  static constexpr size_t kMostWaiting = 256;

  ModelFilesCache();
  explicit ModelFilesCache(Look look) : look_(std::move(look)) {}  // For tests.
  ~ModelFilesCache() { Stop(); }
  ModelFilesCache(const ModelFilesCache&) = delete;
  ModelFilesCache& operator=(const ModelFilesCache&) = delete;

  // Calls `then` with the files of each source, which is a path or a name as for Embedder::Load:
  // here, where all have been looked at a moment ago or kMostWaiting others wait; else on the
  // thread.
  void Of(std::vector<std::string> sources, Then then);

  // Who waits gets what is known, and nobody waits from now on.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    Clock::time_point when;
    std::optional<ModelFiles> files;
  };
  struct Waiting {
    std::vector<std::string> sources;
    Then then;
  };

  // With mutex_ held:
  bool IsFresh(const std::string& source) const;
  Found Known(const std::vector<std::string>& sources) const;

  void AnswerUntilStopped();
  void Answer(Waiting waiting);

  const Look look_;
  std::stop_source stop_;
  std::mutex mutex_;  // Guards what follows; not held while a folder is looked at.
  std::condition_variable wake_;
  std::map<std::string, Seen> seen_;  // By source: those that are served.
  std::deque<Waiting> waiting_;
  std::thread thread_;
};

}  // namespace akin::server

// One file of a model on its way into the cache.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "hub/client/content_hash.h"
#include "hub/client/file_lock.h"
#include "hub/client/http_client.h"
#include "hub/client/partial_file.h"
#include "hub/client/repo_listing.h"
#include "hub/client/settings.h"
#include "hub/hub_cache.h"

namespace akin::hub {

// Several threads fetch segments of a file at the same time; the hash follows the part that is
// complete from the beginning, computed by whichever thread comes by. Start, TakeSegment,
// Release and StartAnew are called by one thread at a time (the caller holds a lock).
class BlobDownload {
 public:
  BlobDownload(const HubSettings& settings, const std::function<bool()>& cancelled,
               std::string_view repository, std::string_view commit, const HubFile& file,
               const RepositoryPaths& paths);

  enum class StartResult {
    kThere,    // The blob has its name already.
    kBusy,     // Another process is fetching it.
    kStarted,  // It is ours.
  };
  Result<StartResult> Start();

  // A segment that nobody fetches yet.
  std::optional<size_t> TakeSegment();
  // Fetches what is missing of a segment that was taken. Errors end the whole pull.
  Status Fetch(size_t segment, HttpClient& client);
  // The segment is not being fetched any more; true for the one caller who is to call Finish.
  bool Release(size_t segment);
  // Checks the hash and gives the file its name. False: bytes that an earlier run had left were
  // wrong, StartAnew is due. Error: InvalidModel (the hash is another one), ServiceUnavailable (the
  // disk).
  Result<bool> Finish();
  // All segments are to be fetched again.
  Status StartAnew();

  const HubFile& file() const { return file_; }
  int64_t bytes_done() const { return done_ ? file_.size : partial_ ? partial_->DoneInAll() : 0; }
  int64_t received_bytes() const { return received_bytes_.load(std::memory_order_relaxed); }
  // Whether Fetch failed by the network, so that another run may do better.
  bool network_failed() const { return network_failed_; }
  // The pull has failed. What was received stays for another run, if `keep`; else it is removed.
  void Abandon(bool keep);

 private:
  struct Answer;
  Status FetchSegment(size_t segment, HttpClient& client);
  Status JudgeHeaders(const HttpResponse& response, Answer& answer);
  Status JudgePart(const HttpResponse& response, Answer& answer);
  Status JudgeWhole(const HttpResponse& response, Answer& answer);
  Status Take(std::string_view piece, Answer& answer);
  Status WriteGathered(Answer& answer);
  Status BecomeOnlyStream();
  void HashWhatFits(int64_t offset, std::string_view bytes);
  Status HashUpTo(int64_t end);

  const HubSettings& settings_;
  const std::function<bool()>& cancelled_;
  const HubFile file_;
  const std::string repository_;
  const std::string url_;
  const std::string blob_path_;
  const std::string lock_path_;

  std::optional<FileLock> lock_;
  std::optional<PartialFile> partial_;
  bool resumed_ = false;
  std::atomic<bool> done_{false};
  std::atomic<bool> network_failed_{false};
  std::atomic<int64_t> received_bytes_{0};

  std::vector<bool> taken_;     // Segments that a thread fetches or has fetched.
  std::atomic<int> active_{0};  // Threads inside of Fetch.
  bool finishing_ = false;      // Release has said so to one caller.
  // The server sends whole files only: one thread takes it all, from the beginning.
  std::atomic<bool> one_stream_{false};

  std::mutex hash_mutex_;
  std::optional<ContentHash> hash_;  // Guarded by hash_mutex_, as all below.
  int64_t hashed_bytes_ = 0;
  std::vector<char> buffer_;
};

}  // namespace akin::hub

#include "hub/client/downloads.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/door.h"
#include "base/strings.h"
#include "base/thread_count.h"
#include "hub/client/blob_download.h"
#include "hub/client/http_client.h"

namespace akin::hub {
namespace {

constexpr std::chrono::milliseconds kReport{100};  // Also how often busy files are looked at.
constexpr size_t kMaxActiveFiles = 64;             // Open files at once.
// Connections are added, up to twice as many at a time, while those that are there leave two thirds
// of the processors idle: they wait for the network then. From a server nearby two bring all that
// two cores can receive, write and hash; more would wait for each other at the file, spinning in
// the kernel, and take the cores from the hash.
constexpr size_t kFirstConnections = 2;
constexpr std::chrono::milliseconds kLoadCheck{50};
constexpr double kBusyShare = 0.35;

enum class FileState { kPending, kActive, kDone };

class Downloads {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Downloads(const DownloadRequest& request)
      : request_(request), cancelled_([this] { return stop_.load(); }) {
    for (const HubFile& file : request.files) {
      files_.push_back({std::make_unique<BlobDownload>(
          request.settings, cancelled_, request.repository, request.commit, file, request.paths)});
      bytes_ += file.size;
    }
    max_workers_ = MaxWorkers();
  }

  Result<int64_t> Run() {
    StartWorkers(kFirstConnections);
    {
      std::unique_lock lock(mutex_);
      while (!AllDone() && !error_) {
        changed_.wait_for(lock, workers_.size() < max_workers_ ? kLoadCheck : kReport);
        AddWorkers();
        Report(lock);
      }
      stop_ = stop_ || error_.has_value();
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
    if (!error_) {
      std::unique_lock lock(mutex_);
      Report(lock);
      if (!error_) return Received();
    }
    for (File& file : files_) file.download->Abandon(!of_no_use_);
    return *error_;
  }

 private:
  struct File {
    std::unique_ptr<BlobDownload> download;
    FileState state = FileState::kPending;
    bool busy = false;  // Another process has it.
  };
  struct Job {
    File* file;
    size_t segment;
  };

  // No use to have more: one for each segment, as many as are allowed.
  size_t MaxWorkers() const {
    size_t segments = 0;
    for (const HubFile& file : request_.files)
      segments += 1 + static_cast<size_t>(file.size / PartialFile::kSegmentBytes);
    return std::min(segments, static_cast<size_t>(request_.settings.connections));
  }

  void StartWorkers(size_t count) {
    count = std::min(count, max_workers_);
    try {
      while (workers_.size() < count) workers_.emplace_back([this] { Work(); });
    } catch (...) {
      max_workers_ = workers_.size();
      // Fewer threads than wanted will do; none will not.
      if (workers_.empty()) Fail(CaughtError("cannot download"), false);
    }
  }

  void AddWorkers() {
    const auto now = Clock::now();
    if (workers_.size() == max_workers_ || now - load_checked_ < kLoadCheck) return;
    const double busy = BusySeconds();
    const double seconds = std::chrono::duration<double>(now - load_checked_).count();
    if (busy - busy_seconds_ < kBusyShare * processors_ * seconds)
      StartWorkers(2 * workers_.size());
    load_checked_ = now;
    busy_seconds_ = busy;
  }

  // Of the processors in all workers so far; 0 where the system does not say, as if they waited.
  double BusySeconds() {
    double sum = 0;
#ifdef __linux__
    for (std::thread& worker : workers_) {
      clockid_t clock;
      timespec time;
      if (pthread_getcpuclockid(worker.native_handle(), &clock) != 0) continue;  // It has ended.
      if (clock_gettime(clock, &time) != 0) continue;
      sum += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    }
#endif
    return sum;
  }

  void Work() noexcept {
    try {
      HttpClient client(request_.settings, cancelled_);
      while (const std::optional<Job> job = NextJob()) Do(*job, client);
    } catch (...) {
      Fail(CaughtError("cannot download"), false);
    }
  }

  void Do(const Job& job, HttpClient& client) {
    BlobDownload& download = *job.file->download;
    const Status fetched = download.Fetch(job.segment, client);
    bool finish;
    {
      const std::unique_lock lock(mutex_);
      finish = download.Release(job.segment) && fetched && job.file->state == FileState::kActive;
    }
    if (!fetched) {
      return Fail(fetched.error(),
                  !download.network_failed() && fetched.error().code() != ErrorCode::kCancelled);
    }
    if (finish) {
      Result<bool> finished = download.Finish();
      if (!finished) return Fail(finished.error(), true);
      std::unique_lock lock(mutex_);
      if (*finished) job.file->state = FileState::kDone;
      const Status begun = *finished ? Status() : download.StartAnew();
      lock.unlock();
      if (!begun) return Fail(begun.error(), true);
    }
    changed_.notify_all();
  }

  // The next segment of the first file that has one; waits while all that is left is under way.
  std::optional<Job> NextJob() {
    std::unique_lock lock(mutex_);
    while (true) {
      if (stop_ || error_ || AllDone()) return std::nullopt;
      for (File& file : files_) {
        if (file.state == FileState::kPending && !Start(file)) return std::nullopt;
        if (file.state != FileState::kActive) continue;
        if (const auto segment = file.download->TakeSegment()) return Job{&file, *segment};
      }
      changed_.wait_for(lock, kReport);
    }
  }

  // False when the pull has failed by it. The mutex is held.
  bool Start(File& file) {
    const size_t active =
        static_cast<size_t>(std::ranges::count(files_, FileState::kActive, &File::state));
    if (active >= kMaxActiveFiles) return true;
    const auto started = file.download->Start();
    if (!started) {
      if (!error_) error_ = started.error();
      of_no_use_ = true;  // The disk.
      changed_.notify_all();
      return false;
    }
    file.busy = *started == BlobDownload::StartResult::kBusy;
    if (*started == BlobDownload::StartResult::kThere) file.state = FileState::kDone;
    if (*started == BlobDownload::StartResult::kStarted) file.state = FileState::kActive;
    return true;
  }

  bool AllDone() const {
    return std::ranges::all_of(files_,
                               [](const File& file) { return file.state == FileState::kDone; });
  }

  void Fail(Error error, bool of_no_use) {
    const std::unique_lock lock(mutex_);
    stop_ = true;
    of_no_use_ = of_no_use_ || of_no_use;
    // That others were stopped is no news.
    if (!error_ || error_->code() == ErrorCode::kCancelled) error_ = std::move(error);
    changed_.notify_all();
  }

  void Report(std::unique_lock<std::mutex>& lock) {
    if (!request_.on_progress) return;
    PullProgress progress{.files = static_cast<int>(files_.size()), .bytes = bytes_};
    bool active = false;
    for (const File& file : files_) {
      progress.files_done += file.state == FileState::kDone ? 1 : 0;
      progress.bytes_done += file.download->bytes_done();
      active = active || file.state == FileState::kActive;
      progress.waiting = progress.waiting || file.busy;
    }
    progress.waiting = progress.waiting && !active;
    lock.unlock();
    const bool go_on = request_.on_progress(progress);
    lock.lock();
    if (!go_on && !error_)
      error_ = MakeError(ErrorCode::kCancelled, "the download was given up; the next one resumes");
  }

  int64_t Received() const {
    int64_t received = 0;
    for (const File& file : files_) received += file.download->received_bytes();
    return received;
  }

  const DownloadRequest& request_;
  std::atomic<bool> stop_{false};
  const std::function<bool()> cancelled_;
  int64_t bytes_ = 0;

  // Of the calling thread only.
  std::vector<std::thread> workers_;
  size_t max_workers_ = 0;
  const int processors_ = CountMachineThreads().count;
  Clock::time_point load_checked_ = Clock::now();
  double busy_seconds_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<File> files_;     // Their states are guarded by mutex_, as all below.
  std::optional<Error> error_;  // Ends the pull.
  bool of_no_use_ = false;      // And makes what was received worthless.
};

}  // namespace

Result<int64_t> Download(const DownloadRequest& request) { return Downloads(request).Run(); }

}  // namespace akin::hub

#include "server/model_registry.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "akin/hub.h"
#include "akin/system.h"

#include "server/idle_memory.h"
#include "server/text.h"

namespace akin::server {
namespace {

// What has failed is tried again after this, or after so many times what the trying took: a file
// may come back and a descriptor be free again, and broken models must not keep the loader busy.
constexpr auto kLeastPause = std::chrono::seconds(1);
constexpr int kPauseForWork = 10;

// What clients are told: why stands in the log, for it names paths of this machine and other models
// that are there. That it is not there, or broken, is no fault of who has asked for a model that is
// offered.
Error ForClients(const Error& error, std::string_view name) {
  const bool is_of_its_files =
      error.code() == ErrorCode::kModelNotFound || error.code() == ErrorCode::kInvalidInput;
  return MakeError(is_of_its_files ? ErrorCode::kInvalidModel : error.code(), "model '", name,
                   "' cannot be loaded");
}

}  // namespace

ModelRegistry::ModelRegistry(RegistryOptions options, Logger& logger)
    : options_(std::move(options)), logger_(logger) {
  for (const ModelSpec& spec : options_.models) entries_.push_back({.spec = spec});
  loader_ = std::thread([this] { LoadUntilStopped(); });
}

ModelRegistry::~ModelRegistry() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  loader_.join();
  for (Entry& entry : entries_) {
    for (const Ready& ready : entry.waiting) {
      ready(MakeError(ErrorCode::kServiceUnavailable, "the server is stopping"));
    }
  }
}

bool ModelRegistry::IsLoading() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(entries_, &Entry::loading);
}

// Without a name the first model; with one model alone any name, unless names are strict.
ModelRegistry::Entry* ModelRegistry::Find(std::string_view name) {
  if (entries_.empty()) return nullptr;
  if (name.empty()) return &entries_.front();
  const auto it = std::ranges::find(entries_, name,
                                    [](const Entry& e) -> std::string_view { return e.spec.name; });
  if (it != entries_.end()) return &*it;
  return entries_.size() == 1 && !options_.strict_names ? &entries_.front() : nullptr;
}

Error ModelRegistry::NotFound(std::string_view name) const {
  // The name is the client's: cut, and Error replaces control characters.
  return MakeError(ErrorCode::kModelNotFound, "model '", name.substr(0, 100), "' not found");
}

void ModelRegistry::Acquire(std::string_view name, Ready ready) {
  std::unique_lock lock(mutex_);
  Entry* entry = Find(name);
  if (entry == nullptr) {
    lock.unlock();
    return ready(NotFound(name));
  }
  entry->last_use = Clock::now();
  const bool is_broken = entry->broken && Clock::now() < entry->try_again;
  if (entry->model != nullptr || is_broken) {
    Result<ServedModelPtr> result =
        is_broken ? Result<ServedModelPtr>(*entry->broken) : Result(entry->model);
    lock.unlock();
    return ready(std::move(result));
  }
  entry->waiting.push_back(std::move(ready));
  if (!std::exchange(entry->loading, true)) to_load_.push_back(entry);
  wake_.notify_one();
}

ServedModelPtr ModelRegistry::Loaded(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const Entry* entry = Find(name);
  return entry == nullptr ? nullptr : entry->model;
}

int64_t ModelRegistry::num_loaded() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::count_if(entries_, [](const Entry& e) { return e.model != nullptr; });
}

void ModelRegistry::LoadAtStart(std::function<void(Status)> done) {
  const std::lock_guard lock(mutex_);
  started_ = std::move(done);
  if (!options_.lazy) {
    for (Entry& entry : entries_) {
      if (!std::exchange(entry.loading, true)) to_load_.push_back(&entry);
    }
  }
  wake_.notify_one();
}

void ModelRegistry::LoadUntilStopped() {
  Status first_error;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stopping_ || !to_load_.empty() || started_; });
    if (stopping_) return;
    if (to_load_.empty()) {
      const auto started = std::exchange(started_, nullptr);
      lock.unlock();
      started(first_error);
      lock.lock();
      continue;
    }
    Entry& entry = *to_load_.front();
    to_load_.pop_front();
    const Status loaded = Load(entry, lock);
    // The first one at start ends the server, and is told as that.
    const bool ends_the_start = started_ && !options_.lazy && first_error;
    if (!loaded && !ends_the_start) {
      logger_.Log(LogLevel::kError, "model cannot be loaded",
                  {{"model", entry.spec.name}, {"error", loaded.error().message()}});
    }
    if (first_error) first_error = loaded;
  }
}

Status ModelRegistry::Load(Entry& entry, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const auto begin = Clock::now();
  Result<Embedder> loaded =
      Embedder::Load(entry.spec.source, entry.spec.OptionsFrom(options_.load));
  Result<ServedModelPtr> result = Error(ErrorCode::kInternal, "out of memory");
  if (loaded) {
    const ModelInfo& info = loaded->Info();
    logger_.Log(LogLevel::kInfo, "model loaded",
                {{"model", entry.spec.name},
                 {"dimension", info.dimension},
                 {"max_tokens", info.max_tokens},
                 {"backend", info.backend},
                 {"precision", info.precision},
                 {"isa", info.isa},
                 {"threads", info.num_threads},
                 {"batch_tokens", info.batch_tokens},
                 {"shape_buckets", ListOf(info.shape_buckets)},
                 {"tuned", entry.spec.tuned},
                 {"load_ms", info.load_ms}});
    LogNotes(logger_, entry.spec.name, info);
    result =
        ServedModelPtr(std::make_shared<const ServedModel>(entry.spec.name, *std::move(loaded)));
  } else {
    result = ForClients(loaded.error(), entry.spec.name);
  }
  lock.lock();
  entry.loading = false;
  entry.last_use = Clock::now();
  if (result) {
    entry.model = *result;
    entry.broken.reset();
    DropSurplus(entry);
  } else {
    entry.broken = result.error();
    entry.try_again = entry.last_use + std::max<Clock::duration>(
                                           kLeastPause, kPauseForWork * (entry.last_use - begin));
  }
  const std::vector<Ready> waiting = std::exchange(entry.waiting, {});
  lock.unlock();
  for (const Ready& ready : waiting) ready(result);
  lock.lock();
  if (!loaded) return loaded.error();
  return {};
}

ModelRegistry::Entry* ModelRegistry::Oldest(const Entry* keep) {
  Entry* oldest = nullptr;
  for (Entry& entry : entries_) {
    if (entry.model == nullptr || &entry == keep) continue;
    if (oldest == nullptr || entry.last_use < oldest->last_use) oldest = &entry;
  }
  return oldest;
}

void ModelRegistry::DropSurplus(const Entry& keep) {
  const auto is_loaded = [](const Entry& e) { return e.model != nullptr; };
  while (options_.max_loaded > 0 &&
         static_cast<size_t>(std::ranges::count_if(entries_, is_loaded)) > options_.max_loaded) {
    Entry* oldest = Oldest(&keep);
    if (oldest == nullptr) return;
    logger_.Log(LogLevel::kInfo, "model let go: too many loaded", {{"model", oldest->spec.name}});
    oldest->model = nullptr;
  }
}

void ModelRegistry::DropOverBudget(int64_t resident_bytes) {
  if (options_.memory_budget_bytes == 0 || resident_bytes <= options_.memory_budget_bytes) return;
  ServedModelPtr dropped;  // Freed when the mutex is not held any more.
  {
    const std::lock_guard lock(mutex_);
    const auto is_loaded = [](const Entry& e) { return e.model != nullptr; };
    if (std::ranges::count_if(entries_, is_loaded) < 2) return;
    Entry* oldest = Oldest(nullptr);
    logger_.Log(LogLevel::kInfo, "model let go: over the memory budget",
                {{"model", oldest->spec.name}, {"resident_mib", resident_bytes >> 20}});
    dropped = std::move(oldest->model);
    oldest->model = nullptr;
  }
  dropped.reset();
  ReturnMemory();
}

void ModelRegistry::DropIdle(Clock::time_point now) {
  if (options_.idle.count() == 0) return;
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.model == nullptr || now - entry.last_use < options_.idle) continue;
    // The scheduler's jobs hold copies of the embedder, not of this: last_use covers requests under
    // way by the deadline that each has.
    logger_.Log(LogLevel::kInfo, "model let go: idle", {{"model", entry.spec.name}});
    entry.model = nullptr;
  }
}

Status CheckModelsAreThere(const RegistryOptions& options, Logger& logger) {
  for (const ModelSpec& spec : options.models) {
    const Result<std::string> found = FindModel(spec.source);
    if (found || IsPulledIfMissing(spec.source)) continue;
    if (!options.lazy) return found.error();
    logger.Log(LogLevel::kWarn, "model is not there",
               {{"model", spec.name}, {"error", found.error().message()}});
  }
  return {};
}

void LogNotes(Logger& logger, std::string_view model, const ModelInfo& info) {
  for (const std::string& note : info.notes)
    logger.Log(LogLevel::kInfo, "note", {{"model", model}, {"note", note}});
}

}  // namespace akin::server

// The models that a server offers: loaded at start or on first use, on a thread of their own, and
// let go when nobody has used them for a while or when there are too many.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "akin/embedder.h"
#include "akin/options.h"
#include "akin/result.h"
#include "akin/tokenizer.h"

#include "server/log.h"

namespace akin::server {

struct ModelSpec {
  std::string name;                         // What clients call it.
  std::string source;                       // A folder, or the name of a model in the cache.
  std::vector<int32_t> shape_buckets = {};  // In place of LoadOptions' where there are any.
  std::string tuned = {};  // For the log: which of the settings `akin tune` has found.

  LoadOptions OptionsFrom(LoadOptions options) const {
    if (!shape_buckets.empty()) options.onnxruntime.shape_buckets = shape_buckets;
    return options;
  }
};

struct RegistryOptions {
  std::vector<ModelSpec> models;  // The first one is used when a request names none.
  LoadOptions load;
  bool lazy = false;                // Load on first use instead of at start.
  size_t max_loaded = 0;            // More are let go, least recently used first. 0: no bound.
  std::chrono::seconds idle{0};     // Let go after this long without a request. 0: never.
  int64_t memory_budget_bytes = 0;  // Let go, one a second, beyond this. 0: no bound.
  bool strict_names = false;        // One model alone answers to any name, unless this is set.
};

// A model in memory. Requests hold it while they need it, so letting go disturbs nobody.
class ServedModel {
 public:
  ServedModel(std::string name, Embedder embedder)
      : name_(std::move(name)), embedder_(std::move(embedder)) {}

  const std::string& name() const { return name_; }
  const Embedder& embedder() const { return embedder_; }
  const ModelInfo& info() const { return embedder_.Info(); }
  const Tokenizer& tokenizer() const { return embedder_.tokenizer(); }

 private:
  const std::string name_;
  const Embedder embedder_;
};

using ServedModelPtr = std::shared_ptr<const ServedModel>;

class ModelRegistry {
 public:
  using Clock = std::chrono::steady_clock;
  using Ready = std::function<void(Result<ServedModelPtr>)>;

  ModelRegistry(RegistryOptions options, Logger& logger);
  // Who still waits for a model gets ServiceUnavailable.
  ~ModelRegistry();
  ModelRegistry(const ModelRegistry&) = delete;
  ModelRegistry& operator=(const ModelRegistry&) = delete;

  // Calls `ready` with the model: here, if it is loaded; else when it is, on the loader's thread.
  // Errors: ModelNotFound (no such name); for a model that cannot be loaded the code of
  // Embedder::Load, InvalidModel in place of ModelNotFound and InvalidInput, and a message
  // without the reason, which is in the log.
  void Acquire(std::string_view name, Ready ready);
  // The model, if it is loaded.
  ServedModelPtr Loaded(std::string_view name) const;

  // Whether a model is being loaded or is to be.
  bool IsLoading() const;
  // Loads what is to be loaded at start; `done` is called on the loader's thread with the first
  // error.
  void LoadAtStart(std::function<void(Status)> done);
  // Lets go of models that nobody has used since `idle` before `now`.
  void DropIdle(Clock::time_point now);
  // Lets go of the model that has not been used for longest, if the process holds more than the
  // budget and another model is left. One a call: its memory takes a moment to come back.
  void DropOverBudget(int64_t resident_bytes);

  const std::vector<ModelSpec>& specs() const { return options_.models; }
  int64_t num_loaded() const;
  bool Knows(std::string_view name) const { return Find(name) != nullptr; }

 private:
  struct Entry {
    ModelSpec spec;
    ServedModelPtr model;
    std::optional<Error> broken;  // What clients are told,
    Clock::time_point try_again;  // and until when, without trying again.
    bool loading = false;
    std::vector<Ready> waiting;
    Clock::time_point last_use;
  };

  Entry* Find(std::string_view name);
  const Entry* Find(std::string_view name) const {
    return const_cast<ModelRegistry*>(this)->Find(name);
  }
  void LoadUntilStopped();
  // -> why it cannot be loaded.
  Status Load(Entry& entry, std::unique_lock<std::mutex>& lock);
  void DropSurplus(const Entry& keep);
  // Of the loaded ones, but for `keep`, the one not used for longest; null: there is none.
  Entry* Oldest(const Entry* keep);
  Error NotFound(std::string_view name) const;

  const RegistryOptions options_;
  Logger& logger_;
  mutable std::mutex mutex_;  // Guards what follows; not held while a model loads.
  std::condition_variable wake_;
  std::vector<Entry> entries_;  // Never resized: the loader holds on to them.
  std::deque<Entry*> to_load_;
  std::function<void(Status)> started_;
  bool stopping_ = false;
  std::thread loader_;
};

// Whether the models are on this machine, or their names those of a hub, which is asked when they
// are loaded: what can be known before anything is loaded. Those of a lazy registry may still come;
// for them a missing one is a warning in the log. Error: ModelNotFound, the first.
Status CheckModelsAreThere(const RegistryOptions& options, Logger& logger);

// A line for each note of a loaded model: what was asked for and is not done, or is worth knowing.
void LogNotes(Logger& logger, std::string_view model, const ModelInfo& info);

}  // namespace akin::server

// What a model's folder is on the disk, for dialects that list models with their dates and sizes.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace akin::server {

struct ModelFiles {
  int64_t bytes = 0;
  std::chrono::system_clock::time_point newest;  // When the youngest file was last written.
  std::string format;                            // "safetensors", "onnx"; empty: neither is there.
  // SHA-256, as 64 hexadecimal digits, of a line for each file: its path, its size and what stands
  // for its content. That is the hash by which the hub's cache calls it, else its time: weights are
  // not read for it.
  std::string digest;
};

// All files of `folder`, in folders below it, too, but hidden ones. None: it is not there, or
// cannot be read.
std::optional<ModelFiles> LookAtModelFiles(const std::string& folder);

// "2026-11-30T04:05:06Z".
std::string IsoTime(std::chrono::system_clock::time_point time);

// Looks again after some seconds only: whoever lists models asks often, and the event loop waits.
class ModelFilesCache {
 public:
  // Of `source`, a path or a name as for Embedder::Load.
  std::optional<ModelFiles> Of(const std::string& source);

 private:
  struct Seen {
    std::chrono::steady_clock::time_point when;
    std::optional<ModelFiles> files;
  };
  std::mutex mutex_;
  std::map<std::string, Seen> seen_;  // By source: those that are served.
};

}  // namespace akin::server

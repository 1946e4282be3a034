// What a model's folder is on the disk, for dialects that list models with their dates and sizes.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
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

// All files of `folder`, in folders below it, too, but hidden ones; of a huge one those that are
// found first. None: it is not there, cannot be read, or `stop` came first.
std::optional<ModelFiles> LookAtModelFiles(const std::string& folder, std::stop_token stop = {});

// "2026-11-30T04:05:06Z".
std::string IsoTime(std::chrono::system_clock::time_point time);

}  // namespace akin::server

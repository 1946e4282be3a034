#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/options.h"

#include "model/model_directory.h"

namespace akin::engine {

// What the precision gate measured on a model with one tier, kept in the cache folder. A record is
// worth a second of start-up and nothing else: what cannot be read or written, is damaged, or was
// made of other files, counts as absent.
//
// CPUs of several kinds may share the folder: on a network's file system, or in an image that was
// made elsewhere. A cosine depends on the tier and not on the CPU (docs/design/001), but which
// precisions are candidates does: where VDPBF16PS is slow, bf16 is none. So a record gathers the
// precisions that any of them has measured, and one process at a time adds to it.
class GateRecord {
 public:
  static constexpr size_t kMostFiles = 1000;  // In the folder; the oldest go.
  static constexpr std::chrono::milliseconds kLongestWait{2000};
  static constexpr std::string_view kLockName = "records.lock";  // In the folder, of all records.

  struct Cosine {
    Precision precision;
    double cosine;  // The least one to f32's vector over the gate's texts.
  };
  using Cosines = std::vector<Cosine>;

  GateRecord(const model::ModelDirectory& directory, std::string_view route,
             std::optional<PoolingMode> pooling, Isa isa);

  // One of a precision at most.
  Cosines Read() const;
  // Adds these to what is there, or replaces them. Appears whole under its name or not at all,
  // whoever else writes. Waits for another process that adds, but not longer than kLongestWait:
  // one that was stopped in the middle of it must not hold up a load. Then, and where a file
  // system has no locks, what two add at once may lose one's part, which is measured again.
  void Add(const Cosines& cosines) const;

 private:
  void Write(const std::string& content) const;

  std::string folder_;  // Empty: there is no cache folder.
  std::string path_;
  std::string key_;  // All that the vectors depend on: the files' sizes and times, tier, version.
};

}  // namespace akin::engine

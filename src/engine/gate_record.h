#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/options.h"

#include "model/model_directory.h"

namespace akin::engine {

// What the precision gate measured on a model with one tier, kept in the cache folder. A record is
// worth a second of start-up and nothing else: what cannot be read or written, or was made of other
// files, counts as absent.
class GateRecord {
 public:
  struct Cosine {
    Precision precision;
    double cosine;  // The least one to f32's vector over the gate's texts.
  };
  using Cosines = std::vector<Cosine>;

  GateRecord(const model::ModelDirectory& directory, std::string_view route,
             std::optional<PoolingMode> pooling, Isa isa);

  Cosines Read() const;
  // Appears whole under its name or not at all, whoever else writes.
  void Write(const Cosines& cosines) const;

 private:
  std::string folder_;  // Empty: there is no cache folder.
  std::string path_;
  std::string key_;  // All that the vectors depend on: the files' sizes and times, tier, version.
};

}  // namespace akin::engine

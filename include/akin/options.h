// What a caller may choose; every default is the model's or the machine's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "akin/result.h"

namespace akin {

// What runs the model.
enum class BackendKind {
  kAuto,    // The best one for the model folder.
  kNative,  // Akin's own encoder and kernels.
};

// What the matrix products run in.
enum class Precision {
  kAuto,  // The fastest whose loss on the model stays within the stated bound; f32 until others
          // exist.
  kF32,
};

// An instruction-set level of the native kernels. Higher ones are faster and need a newer CPU.
enum class Isa {
  kAuto,  // The best that the CPU and the operating system support; AKIN_ISA in the environment
          // overrides it.
  kScalar,
  kAvx2,    // AVX2 and FMA.
  kAvx512,  // AVX-512 F, BW, DQ and VL.
};

// The names used on the command line and in JSON: "native", "f32", "avx2".
std::string_view BackendKindName(BackendKind kind);
std::string_view PrecisionName(Precision precision);
std::string_view IsaName(Isa isa);
// The inverse; InvalidInput lists the names that exist.
Result<BackendKind> ParseBackendKind(std::string_view name);
Result<Precision> ParsePrecision(std::string_view name);
Result<Isa> ParseIsa(std::string_view name);

struct LoadOptions {
  BackendKind backend = BackendKind::kAuto;
  Precision precision = Precision::kAuto;
  Isa isa = Isa::kAuto;
  // Threads that compute, the calling one included. 0: as many as the cgroup quota, the cpuset and
  // the affinity allow.
  int num_threads = 0;
  // The most tokens computed together (the token budget). 0: the backend's default. A longer text
  // is computed alone.
  int batch_tokens = 0;
};

struct EmbedOptions {
  // Texts are cut to this many tokens, special tokens included. Unset: the model's own limit. At
  // most ModelInfo::max_positions.
  std::optional<int> max_tokens;
  // False: a text that is longer than the limit is InvalidInput instead of being cut.
  bool truncate = true;
  // Scale vectors to length 1. Unset: as the model's own modules say.
  std::optional<bool> normalize;
};

}  // namespace akin

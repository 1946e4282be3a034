// What a caller may choose; every default is the model's or the machine's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "akin/onnxruntime.h"
#include "akin/result.h"

namespace akin {

// What runs the model.
enum class BackendKind {
  kAuto,    // The best one for the model folder.
  kNative,  // Akin's own encoder and kernels.
  kOnnxRuntime,  // ONNX Runtime on the folder's ONNX file; its library is loaded when asked for.
};

// What the matrix products run in.
enum class Precision {
  kAuto,    // The fastest whose vectors have a cosine of at least 0.9995 to f32's, as measured on
            // some texts at the first load of a model; the result is kept in the cache folder.
  kF32,     // Inputs, weights and sums in f32.
  kBf16x3,  // Each f32 split into two bf16 parts, three products: near f32's accuracy from a matrix
            // unit. Without one it is f32.
  kBf16,    // Inputs and weights rounded to bf16, sums in f32. Without bf16 arithmetic only the
            // weights are.
  kW8,      // Weights as int8 with a scale for each output, inputs as for bf16.
  kInt8,    // Inputs and weights as int8 with a scale for each token and each output, after a
            // rotation that spreads outliers; sums in int32.
};

// An instruction-set level of the native kernels. Higher ones are faster and need a newer CPU.
enum class Isa {
  kAuto,  // The best that the CPU and the operating system support; AKIN_ISA in the environment
          // overrides it.
  kScalar,
  kAvx2,        // AVX2 and FMA.
  kAvx512,      // AVX-512 F, BW, DQ and VL.
  kAvx512Vnni,  // And VNNI: int8 products.
  kAvx512Bf16,  // And BF16: bf16 products.
  kAmx,         // And AMX, BF16 and INT8: products on tile registers.
  kNeon,        // Advanced SIMD, which every aarch64 CPU has.
  kNeonDot,     // And dot products: int8 products.
};

// The names used on the command line and in JSON: "native", "f32", "avx512-bf16".
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
  OnnxRuntimeOptions onnxruntime;  // Of the backend of that name.
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

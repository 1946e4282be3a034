// What a caller may choose; every default is the model's or the machine's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/onnxruntime.h"
#include "akin/python.h"
#include "akin/remote.h"
#include "akin/result.h"

namespace akin {

// What runs the model.
enum class BackendKind {
  kAuto,         // The best one for the model folder.
  kNative,       // Akin's own encoder and kernels.
  kOnnxRuntime,  // ONNX Runtime on the folder's ONNX file; its library is loaded when asked for.
  kMlx,          // Apple's MLX: models of the BERT family, in a build with AKIN_MLX.
  kPlugin,       // Somebody else's engine behind the C interface of akin/plugin.h.
  kPython,       // A child process, in Python or not.
  kRemote,       // A server elsewhere.
};

// What the matrix products run in.
enum class Precision {
  kAuto,    // The fastest whose vectors have a cosine of at least 0.9995 to f32's, as measured on
            // some texts at the first load of a model; the result is kept in the cache folder.
  kF32,     // Inputs, weights and sums in f32.
  kBf16x3,  // Each f32 split into two bf16 parts, three products: near f32's accuracy from a matrix
            // unit. Without one it is f32.
  kF16,     // Inputs and weights rounded to f16. Of the backend mlx only.
  kBf16,    // Inputs and weights rounded to bf16, sums in f32. Without bf16 arithmetic only the
            // weights are.
  kInt16,   // As kInt8, but of twelve bits in int16, and attention in f32: nearer to f32 than bf16.
            // NEON, which multiplies them no faster than floats, has f32 instead.
  kW8,      // Weights as int8 with a scale for each output, inputs as for bf16.
  kInt8,    // Inputs and weights as int8 with a scale for each token and each output, after a
            // rotation that spreads outliers; sums in int32.
};

// Which end of a text that is too long is cut off.
enum class TruncationSide { kLeft, kRight };

// An instruction-set level of the native kernels. Higher ones are faster and need a newer CPU.
enum class Isa {
  kAuto,  // The fastest that the CPU and the operating system support; AKIN_ISA in the environment
          // overrides it.
  kScalar,
  kAvx2,        // AVX2 and FMA.
  kAvx2Vnni,    // And AVX-VNNI: int8 and int16 products.
  kAvx512,      // AVX-512 F, BW, DQ and VL, and AVX2.
  kAvx512Vnni,  // And VNNI: int8 and int16 products.
  kAvx512Bf16,  // And BF16: bf16 products.
  kAmx,         // And AMX, BF16 and INT8: products on tile registers.
  kNeon,        // Advanced SIMD, which every aarch64 CPU has.
  kNeonDot,     // And dot products: int8 products.
};

// What a model can give of a text.
enum class Output {
  kDense,        // One vector.
  kSparse,       // Weights of vocabulary entries (SPLADE, BGE-M3's lexical weights).
  kMultiVector,  // A vector of each token that counts (ColBERT).
  kTokens,       // The last layer's state of every token, special tokens included.
  kScores,       // A number for each label: rerankers, classifiers.
};
inline constexpr size_t kNumOutputs = 5;

// What a model was made for.
enum class ModelKind { kDense, kStatic, kSparse, kMultiVector, kReranker, kClassifier };

// How the states of a text's tokens become one vector.
enum class PoolingMode {
  kCls,
  kMax,
  kMean,
  kMeanSqrtLen,
  kWeightedMean,
  kLastToken,
  kSplade,  // A sparse one, through the model's masked-language-model head; in LoadOptions only.
};

// What becomes of a text that is longer than its limit.
enum class Overflow {
  kTruncate,  // It is cut to the limit; results say how many tokens were lost.
  kError,     // InvalidInput.
  kAverage,   // It is cut into windows; its vector is the mean of theirs, weighted by their tokens.
  kChunks,    // It is cut into windows, each with a vector of its own and its place in the text.
  kLate,      // Late chunking (Günther et al., 2024): all of it is computed at once, so that each
              // window's vector knows the whole text. Needs a model whose context holds the text.
};

// What is made of a score's logits.
enum class ScoreActivation {
  kModel,  // As the model's files say; else a sigmoid for one label, nothing for several.
  kSigmoid,
  kSoftmax,
  kRaw,
};

// What leaves in place of f32.
enum class OutputType {
  kFloat32,
  kFloat16,
  kInt8,     // 256 steps between a range's ends for each value, as -128 to 127,
  kUint8,    // or as 0 to 255 (akin/quantize.h).
  kBinary,   // Eight values a byte, the first in the highest bit, 1 for > 0; the byte minus 128,
  kUbinary,  // or the byte itself.
};

// The names used on the command line and in JSON: "native", "f32", "avx512-bf16".
std::string_view BackendKindName(BackendKind kind);
std::string_view PrecisionName(Precision precision);
std::string_view IsaName(Isa isa);
std::string_view OutputName(Output output);                        // "dense", "multi-vector"
std::string_view ModelKindName(ModelKind kind);                    // "dense", "reranker"
std::string_view PoolingModeName(PoolingMode mode);                // "mean", "mean_sqrt_len_tokens"
std::string_view OverflowName(Overflow overflow);                  // "truncate"
std::string_view ScoreActivationName(ScoreActivation activation);  // "sigmoid"
std::string_view OutputTypeName(OutputType type);                  // "float32", "ubinary"
// The inverse; InvalidInput lists the names that exist.
Result<BackendKind> ParseBackendKind(std::string_view name);
Result<Precision> ParsePrecision(std::string_view name);
Result<Isa> ParseIsa(std::string_view name);
Result<PoolingMode> ParsePoolingMode(std::string_view name);
Result<Overflow> ParseOverflow(std::string_view name);
Result<ScoreActivation> ParseScoreActivation(std::string_view name);
Result<OutputType> ParseOutputType(std::string_view name);

// Of BackendKind::kPlugin.
struct PluginOptions {
  std::string library;  // Path of the shared library.
  // The plug-in's own; one that it does not have is an error.
  std::vector<std::pair<std::string, std::string>> options;
};

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
  // In place of the model's own pooling; for folders that do not say it. Unset: the model's own, or
  // the mean.
  std::optional<PoolingMode> pooling;
  OnnxRuntimeOptions onnxruntime;  // Of the backend of that name.
  PluginOptions plugin;            // Likewise.
  PythonOptions python;
  RemoteOptions remote;
};

// What a command line says of the backend, put into `options`: "native", or "plugin:PATH",
// "remote:URL", "python:CHILD" with [,option=value...] (a comma is "\,"). Error: InvalidInput.
Status ParseBackend(std::string_view text, LoadOptions& options);

struct EmbedOptions {
  // --- How texts are read ---

  // Texts are cut to this many tokens, special tokens included. Unset: the model's own limit. At
  // most ModelInfo::max_positions.
  std::optional<int> max_tokens;
  Overflow overflow = Overflow::kTruncate;
  // Which end is cut. Unset: as the model's files say.
  std::optional<TruncationSide> truncation_side;
  // For the kinds of overflow that make windows: tokens of a window, special tokens included
  // (unset: the limit), and how many of them the window before it has too.
  std::optional<int> window_tokens;
  int window_overlap = 0;
  // For Overflow::kLate, of one text that fits into the model's context: chunks of the caller's in
  // place of windows. The bytes where they end, ascending; the last one is the text's size.
  std::vector<size_t> chunk_ends;
  // One of ModelInfo::prompts, put in front of every text: "query", "document". Empty: the model's
  // default, if it has one. A late-interaction model reads queries and documents differently by it;
  // a model with routes (Router, Asym) takes the route of that name.
  std::string prompt_name;
  // This text in front instead; an empty one is none at all.
  std::optional<std::string> prompt;
  // Results hold the token ids.
  bool return_ids = false;

  // --- What is made of them ---

  // Scale dense vectors to length 1. Unset: as the model's own modules say.
  std::optional<bool> normalize;
  // Keep the first values of a vector, or of a token's, and scale it to length 1 again, as OpenAI's
  // API does; or as they are, unless `normalize` is true, as sentence-transformers does. Not both.
  std::optional<int> dimensions;
  std::optional<int> truncate_dim;
  // Keep the largest weights of a sparse vector. Unset: all.
  std::optional<int> top_k;
};

struct ScoreOptions {
  // Of both texts together; the longer one is cut first. As in EmbedOptions.
  std::optional<int> max_tokens;
  Overflow overflow = Overflow::kTruncate;  // Or kError.
  std::optional<TruncationSide> truncation_side;
  bool return_ids = false;
  ScoreActivation activation = ScoreActivation::kModel;
};

}  // namespace akin

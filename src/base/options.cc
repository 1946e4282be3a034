// The names of options, in one table each way.
#include "akin/options.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/key_values.h"
#include "base/strings.h"

namespace akin {
namespace {

// A value with several names is called by the first of them.
template <typename Enum>
struct NamedValue {
  Enum value;
  std::string_view name;
};

constexpr NamedValue<BackendKind> kBackendKinds[] = {{BackendKind::kAuto, "auto"},
                                                     {BackendKind::kNative, "native"},
                                                     {BackendKind::kOnnxRuntime, "onnxruntime"},
                                                     {BackendKind::kOnnxRuntime, "onnx"},
                                                     {BackendKind::kMlx, "mlx"},
                                                     {BackendKind::kPlugin, "plugin"},
                                                     {BackendKind::kPython, "python"},
                                                     {BackendKind::kRemote, "remote"}};
constexpr NamedValue<RemoteDialect> kRemoteDialects[] = {{RemoteDialect::kOpenAi, "openai"},
                                                         {RemoteDialect::kTei, "tei"}};
constexpr NamedValue<Precision> kPrecisions[] = {{Precision::kAuto, "auto"},
                                                 {Precision::kF32, "f32"},
                                                 {Precision::kBf16x3, "bf16x3"},
                                                 {Precision::kF16, "f16"},
                                                 {Precision::kBf16, "bf16"},
                                                 {Precision::kInt16, "int16"},
                                                 {Precision::kW8, "w8"},
                                                 {Precision::kInt8, "int8"},
                                                 // As others write them.
                                                 {Precision::kF32, "fp32"},
                                                 {Precision::kF32, "float32"},
                                                 {Precision::kF16, "fp16"},
                                                 {Precision::kF16, "float16"},
                                                 {Precision::kBf16, "bfloat16"}};
constexpr NamedValue<Isa> kIsas[] = {{Isa::kAuto, "auto"},
                                     {Isa::kScalar, "scalar"},
                                     {Isa::kAvx2, "avx2"},
                                     {Isa::kAvx2Vnni, "avx2-vnni"},
                                     {Isa::kAvx512, "avx512"},
                                     {Isa::kAvx512Vnni, "avx512-vnni"},
                                     {Isa::kAvx512Bf16, "avx512-bf16"},
                                     {Isa::kAmx, "amx"},
                                     {Isa::kNeon, "neon"},
                                     {Isa::kNeonDot, "neon-dot"}};

constexpr NamedValue<Output> kOutputs[] = {{Output::kDense, "dense"},
                                           {Output::kSparse, "sparse"},
                                           {Output::kMultiVector, "multi-vector"},
                                           {Output::kTokens, "tokens"},
                                           {Output::kScores, "scores"}};
constexpr NamedValue<ModelKind> kModelKinds[] = {
    {ModelKind::kDense, "dense"},       {ModelKind::kStatic, "static"},
    {ModelKind::kSparse, "sparse"},     {ModelKind::kMultiVector, "multi-vector"},
    {ModelKind::kReranker, "reranker"}, {ModelKind::kClassifier, "classifier"}};
// sentence-transformers' names; text-embeddings-inference's "splade".
constexpr NamedValue<PoolingMode> kPoolingModes[] = {
    {PoolingMode::kCls, "cls"},
    {PoolingMode::kMax, "max"},
    {PoolingMode::kMean, "mean"},
    {PoolingMode::kMeanSqrtLen, "mean_sqrt_len_tokens"},
    {PoolingMode::kWeightedMean, "weightedmean"},
    {PoolingMode::kLastToken, "lasttoken"},
    {PoolingMode::kSplade, "splade"}};
constexpr NamedValue<Overflow> kOverflows[] = {{Overflow::kTruncate, "truncate"},
                                               {Overflow::kError, "error"},
                                               {Overflow::kAverage, "average"},
                                               {Overflow::kChunks, "chunks"},
                                               {Overflow::kLate, "late"}};
constexpr NamedValue<ScoreActivation> kScoreActivations[] = {{ScoreActivation::kModel, "model"},
                                                             {ScoreActivation::kSigmoid, "sigmoid"},
                                                             {ScoreActivation::kSoftmax, "softmax"},
                                                             {ScoreActivation::kRaw, "raw"}};
// sentence-transformers' names, and the short ones of the command line.
constexpr NamedValue<OutputType> kOutputTypes[] = {
    {OutputType::kFloat32, "float32"}, {OutputType::kFloat16, "float16"},
    {OutputType::kInt8, "int8"},       {OutputType::kUint8, "uint8"},
    {OutputType::kBinary, "binary"},   {OutputType::kUbinary, "ubinary"},
    {OutputType::kFloat32, "f32"},     {OutputType::kFloat16, "f16"}};

template <typename Enum, size_t kSize>
std::string_view NameOf(const NamedValue<Enum> (&table)[kSize], Enum value) {
  for (const auto& row : table) {
    if (row.value == value) return row.name;
  }
  return "?";
}

// `what` in words; `field` as options.h has it.
template <typename Enum, size_t kSize>
Result<Enum> ParseName(const NamedValue<Enum> (&table)[kSize], std::string_view what,
                       std::string_view field, std::string_view name) {
  std::string known;
  for (const auto& row : table) {
    if (row.name == name) return row.value;
    known += StrCat(known.empty() ? "" : ", ", row.name);
  }
  return InvalidInput("unknown ", what, " '", name, "'; known: ", known).Of(std::string(field));
}

}  // namespace

std::string_view BackendKindName(BackendKind kind) { return NameOf(kBackendKinds, kind); }
std::string_view PrecisionName(Precision precision) { return NameOf(kPrecisions, precision); }
std::string_view IsaName(Isa isa) { return NameOf(kIsas, isa); }
std::string_view OutputName(Output output) { return NameOf(kOutputs, output); }
std::string_view ModelKindName(ModelKind kind) { return NameOf(kModelKinds, kind); }
std::string_view PoolingModeName(PoolingMode mode) { return NameOf(kPoolingModes, mode); }
std::string_view OverflowName(Overflow overflow) { return NameOf(kOverflows, overflow); }
std::string_view ScoreActivationName(ScoreActivation activation) {
  return NameOf(kScoreActivations, activation);
}
std::string_view OutputTypeName(OutputType type) { return NameOf(kOutputTypes, type); }

Result<BackendKind> ParseBackendKind(std::string_view name) {
  return ParseName(kBackendKinds, "backend", "backend", name);
}
std::string_view RemoteDialectName(RemoteDialect dialect) {
  return NameOf(kRemoteDialects, dialect);
}
Result<RemoteDialect> ParseRemoteDialect(std::string_view name) {
  return ParseName(kRemoteDialects, "dialect", "dialect", name);
}
namespace {

Error NoSuchOption(std::string_view backend, std::string_view key, std::string_view known) {
  return InvalidInput("backend ", backend, " has no option '", key,
                      "' in its name; known: ", known);
}

Status CheckGivenOnce(std::string_view text, const KeyValues& values) {
  for (auto value = values.begin(); value != values.end(); ++value) {
    const auto same = [&](const auto& other) { return other.first == value->first; };
    if (std::any_of(values.begin(), value, same))
      return InvalidInput("backend '", text, "': option '", value->first, "' is given twice");
  }
  return {};
}

// Each takes what stands behind "plugin:" or the like: the word itself, and its options.
Status TakePlugin(std::string path, KeyValues values, LoadOptions& options) {
  options.plugin = {.library = std::move(path), .options = std::move(values)};
  return {};
}

Status TakePython(std::string child, KeyValues values, LoadOptions& options) {
  options.python.child = std::move(child);
  for (auto& [key, value] : values) {
    if (key == "interpreter") {
      options.python.interpreter = std::move(value);
    } else if (key == "library") {
      options.python.library = std::move(value);
    } else {
      return NoSuchOption("python", key, "interpreter, library");
    }
  }
  return {};
}

Status TakeRemote(std::string url, KeyValues values, LoadOptions& options) {
  options.remote.url = std::move(url);
  for (auto& [key, value] : values) {
    if (key == "dialect") {
      AKIN_TRY_ASSIGN(options.remote.dialect, ParseRemoteDialect(value));
    } else if (key == "model") {
      options.remote.model = std::move(value);
    } else {
      return NoSuchOption("remote", key, "dialect, model");
    }
  }
  return {};
}

// Backends that need more than their name.
struct BackendForm {
  BackendKind kind;
  std::string_view form;
  Status (*take)(std::string word, KeyValues values, LoadOptions& options);

  // "plugin:"
  std::string_view prefix() const { return form.substr(0, form.find(':') + 1); }
};
constexpr BackendForm kBackendForms[] = {
    {BackendKind::kPlugin, "plugin:PATH[,option=value...]", TakePlugin},
    {BackendKind::kPython, "python:CHILD[,option=value...]", TakePython},
    {BackendKind::kRemote, "remote:URL[,option=value...]", TakeRemote}};

}  // namespace

Status ParseBackend(std::string_view text, LoadOptions& options) {
  const auto form = std::ranges::find_if(
      kBackendForms, [&](const BackendForm& f) { return text.starts_with(f.prefix()); });
  if (form == std::end(kBackendForms)) {
    AKIN_TRY_ASSIGN(options.backend, ParseBackendKind(text));
    return {};
  }
  const std::vector<std::string> parts = SplitAtCommas(text.substr(form->prefix().size()));
  AKIN_TRY_ASSIGN(KeyValues values, ParseKeyValues(StrCat("backend '", text, "'"), form->form,
                                                   std::span(parts).subspan(1)));
  AKIN_TRY(CheckGivenOnce(text, values));
  AKIN_TRY(form->take(parts.front(), std::move(values), options));
  options.backend = form->kind;
  return {};
}
Result<Precision> ParsePrecision(std::string_view name) {
  return ParseName(kPrecisions, "precision", "precision", name);
}
Result<Isa> ParseIsa(std::string_view name) {
  return ParseName(kIsas, "instruction set", "isa", name);
}
Result<PoolingMode> ParsePoolingMode(std::string_view name) {
  return ParseName(kPoolingModes, "pooling", "pooling", name);
}
Result<Overflow> ParseOverflow(std::string_view name) {
  return ParseName(kOverflows, "overflow", "overflow", name);
}
Result<ScoreActivation> ParseScoreActivation(std::string_view name) {
  return ParseName(kScoreActivations, "activation", "activation", name);
}
Result<OutputType> ParseOutputType(std::string_view name) {
  return ParseName(kOutputTypes, "output type", "output_type", name);
}

}  // namespace akin

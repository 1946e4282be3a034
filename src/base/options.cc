// The names of options, in one table each way.
#include "akin/options.h"

#include <span>
#include <utility>

#include "base/strings.h"

namespace akin {
namespace {

template <typename Enum>
struct NamedValue {
  Enum value;
  std::string_view name;
};

constexpr NamedValue<BackendKind> kBackendKinds[] = {{BackendKind::kAuto, "auto"},
                                                     {BackendKind::kNative, "native"},
                                                     {BackendKind::kOnnxRuntime, "onnxruntime"}};
constexpr NamedValue<Precision> kPrecisions[] = {
    {Precision::kAuto, "auto"}, {Precision::kF32, "f32"}, {Precision::kBf16x3, "bf16x3"},
    {Precision::kBf16, "bf16"}, {Precision::kW8, "w8"},   {Precision::kInt8, "int8"}};
constexpr NamedValue<Isa> kIsas[] = {{Isa::kAuto, "auto"},
                                     {Isa::kScalar, "scalar"},
                                     {Isa::kAvx2, "avx2"},
                                     {Isa::kAvx512, "avx512"},
                                     {Isa::kAvx512Vnni, "avx512-vnni"},
                                     {Isa::kAvx512Bf16, "avx512-bf16"},
                                     {Isa::kAmx, "amx"},
                                     {Isa::kNeon, "neon"},
                                     {Isa::kNeonDot, "neon-dot"}};

template <typename Enum, size_t kSize>
std::string_view NameOf(const NamedValue<Enum> (&table)[kSize], Enum value) {
  for (const auto& row : table) {
    if (row.value == value) return row.name;
  }
  return "?";
}

template <typename Enum, size_t kSize>
Result<Enum> ParseName(const NamedValue<Enum> (&table)[kSize], std::string_view what,
                       std::string_view name) {
  std::string known;
  for (const auto& row : table) {
    if (row.name == name) return row.value;
    known += StrCat(known.empty() ? "" : ", ", row.name);
  }
  return InvalidInput("unknown ", what, " '", name, "'; known: ", known);
}

}  // namespace

std::string_view BackendKindName(BackendKind kind) { return NameOf(kBackendKinds, kind); }
std::string_view PrecisionName(Precision precision) { return NameOf(kPrecisions, precision); }
std::string_view IsaName(Isa isa) { return NameOf(kIsas, isa); }

Result<BackendKind> ParseBackendKind(std::string_view name) {
  if (name == "onnx") return BackendKind::kOnnxRuntime;
  return ParseName(kBackendKinds, "backend", name);
}
Result<Precision> ParsePrecision(std::string_view name) {
  return ParseName(kPrecisions, "precision", name);
}
Result<Isa> ParseIsa(std::string_view name) { return ParseName(kIsas, "instruction set", name); }

}  // namespace akin

#include "engine/load_notes.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "kernels/kernels.h"

namespace akin::engine {
namespace {

bool IsOfIntegers(Precision precision) {
  return precision == Precision::kInt16 || precision == Precision::kInt8;
}

// Where a precision is faster than f32, so are those that multiply on the same units: w8 on bf16's,
// and of int8 and int16 FasterThanF32 may have one.
bool GainsSpeed(Precision asked, Isa isa) {
  return asked == Precision::kF32 ||
         std::ranges::any_of(kernels::FasterThanF32(isa), [asked](Precision faster) {
           return IsOfIntegers(faster) == IsOfIntegers(asked);
         });
}

// bf16x3 keeps a weight as two of bf16.
bool SavesMemory(Precision precision) { return precision != Precision::kBf16x3; }

std::string NoGain(Precision asked, Isa isa) {
  const std::vector<Precision> faster = kernels::FasterThanF32(isa);
  return StrCat("no faster than f32's here: the products of precision ", PrecisionName(asked),
                " (instruction set ", IsaName(isa), ')',
                SavesMemory(asked) ? ", which saves memory" : "",
                faster.empty() ? "" : StrCat("; ", PrecisionName(faster.back()), "'s are faster"));
}

}  // namespace

void CutByDefault(const model::TextSettings& text, ModelInfo& info) {
  if (!text.truncate_dim || *text.truncate_dim >= info.dimension) return;
  info.notes.push_back(StrCat("vectors are the first ", *text.truncate_dim, " of ", info.dimension,
                              " values, as config_sentence_transformers.json says (truncate_dim)"));
  info.dimension = *text.truncate_dim;
  info.normalize = false;
}

void NotePooling(const model::SentenceModules& modules, backends::RowKind rows, ModelInfo& info) {
  if (rows != backends::RowKind::kTokenStates) return;
  // Two, as each has its own option that says it is meant.
  if (modules.pooling_is_assumed)
    info.notes.push_back("no modules.json: mean pooling; --pooling says otherwise");
  if (modules.normalizing_is_assumed)
    info.notes.push_back("no modules.json: vectors are not normalized; --normalize says otherwise");
}

void NotePrecision(Precision asked, Isa isa, ModelInfo& info) {
  const std::string_view name = PrecisionName(asked);
  if (info.backend != "native" || asked == Precision::kAuto) return;
  if (name == info.precision) {
    if (!GainsSpeed(asked, isa)) info.notes.push_back(NoGain(asked, isa));
    return;
  }
  const bool is_static = info.kind == ModelKind::kStatic;
  info.notes.push_back(StrCat(
      "not used: precision ", name, ": ",
      is_static ? StrCat("there are no products; rows are summed in ")
                : StrCat("instruction set ", info.isa, " has no products of it; computed in "),
      info.precision));
  info.precision_reason = StrCat(name, " was requested");
}

}  // namespace akin::engine

#include "engine/load_notes.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "kernels/kernels.h"

namespace akin::engine {

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

std::string ReasonOfRequest(Precision asked, Isa isa) {
  const std::vector<Precision> faster = kernels::FasterThanF32(isa);
  if (asked != Precision::kBf16 || std::ranges::find(faster, asked) != faster.end())
    return "requested";
  return StrCat("requested; its products are no faster than f32's here",
                faster.empty() ? "" : StrCat(", ", PrecisionName(faster.back()), "'s are"));
}

void NotePrecision(Precision asked, ModelInfo& info) {
  const std::string_view name = PrecisionName(asked);
  if (info.backend != "native" || asked == Precision::kAuto || name == info.precision) return;
  const bool is_static = info.kind == ModelKind::kStatic;
  info.notes.push_back(StrCat(
      "not used: precision ", name, ": ",
      is_static ? StrCat("there are no products; rows are summed in ")
                : StrCat("instruction set ", info.isa, " has no products of it; computed in "),
      info.precision));
  info.precision_reason = StrCat(name, " was requested");
}

}  // namespace akin::engine

// What a loaded model does otherwise than was asked for or may be expected, as notes of ModelInfo.
#pragma once

#include <string>

#include "akin/model_info.h"
#include "akin/options.h"

#include "backends/backend.h"
#include "model/sentence_modules.h"

namespace akin::engine {

// "truncate_dim" of the folder, unless it is more than there is.
void CutByDefault(const model::TextSettings& text, ModelInfo& info);

// A folder that lost its modules.json gives other vectors than the model was made for.
void NotePooling(const model::SentenceModules& modules, backends::RowKind rows, ModelInfo& info);

// A precision that the native engine does not compute in, or that gains no speed on `isa`. Others
// say it themselves.
void NotePrecision(Precision asked, Isa isa, ModelInfo& info);

}  // namespace akin::engine

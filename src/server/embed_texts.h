// What a model gets of an EmbedCall: ids as texts, chunks as one document, the prompt before them.
#pragma once

#include <string>
#include <vector>

#include "akin/result.h"

#include "server/model_calls.h"
#include "server/model_registry.h"

namespace akin::server {

// Of `call.inputs`, which are gone then; `call.options` gets what goes with the texts: the prompt's
// name, and where chunks end. Error: InvalidInput (an id that the model does not have), or the
// tokenizer's.
Result<std::vector<std::string>> TextsOf(const ServedModel& model, EmbedCall& call);

}  // namespace akin::server

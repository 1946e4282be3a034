// Whether a model can do what a call asks of it, whatever protocol the call came by; else why not,
// in the words of TEI, whose clients know them.
#pragma once

#include <optional>
#include <string_view>

#include "akin/model_info.h"
#include "akin/options.h"

#include "server/api/failure.h"

namespace akin::server {

std::optional<Failure> CheckGives(const ModelInfo& info, Output output);
std::optional<Failure> CheckReranks(const ModelInfo& info);
// A model has the pooling that it is loaded with. Whether it is the one that a client asks for;
// nothing is asked for with an empty name.
std::optional<Failure> CheckPooling(const ModelInfo& info, std::string_view asked);
// How many there are, without what the model's folder cuts, the library knows.
std::optional<Failure> CheckDimensions(const EmbedOptions& options);

// As TEI has it: logits as they are, or a sigmoid of one and a softmax of several.
ScoreActivation ActivationOf(const ModelInfo& info, bool raw_scores);

}  // namespace akin::server

// Which of a model's files are fetched: those that Akin reads, weights in one format only.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "hub/client/repo_listing.h"

namespace akin::hub {

// Configuration, tokenizer and weights. Of a folder's weights: model.safetensors, or its shards, or
// whatever safetensors there are; without any in the whole model, the ONNX graph. Never pickles,
// which can run code. Error: UnsupportedModel, there are no such weights.
Result<std::vector<HubFile>> SelectNeeded(std::span<const HubFile> files, std::string_view model);

// Those that fit one of `patterns`, '*' matching '/' too. Error: InvalidInput, a pattern that fits
// none.
Result<std::vector<HubFile>> SelectIncluded(std::span<const HubFile> files,
                                            std::span<const std::string> patterns,
                                            std::string_view model);

// Files that loaders ask for and models need not have: that they are not there is kept in the
// cache, so that nobody asks the hub again.
std::span<const std::string_view> OptionalFiles();

}  // namespace akin::hub

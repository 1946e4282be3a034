// A download from the hub as a person at a terminal sees it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "akin/hub.h"
#include "akin/result.h"

namespace akin::cli {

// "[######......]  41%  37.4 of 90.9 MB  12.3 MB/s  0:04 left  7 of 11 files"; `received_bytes`
// came in the last `seconds`.
std::string PullLine(const PullProgress& progress, int64_t received_bytes, double seconds);

// 90900000 -> "90.9 MB".
std::string BytesText(int64_t bytes);

// PullModel with a line on standard error while it lasts, and another one when something came.
Result<PulledModel> PullShowingProgress(const std::string& model,
                                        const std::vector<std::string>& include, bool quiet);

// Pulls `model` if it is one of the hub and not on this machine, so that loading it finds it.
Status PullIfMissing(std::string_view model, bool quiet);

}  // namespace akin::cli

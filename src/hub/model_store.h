#pragma once

#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::hub {

// FindModel, and when the model is one of the hub and not here, PullModel. The errors of both.
Result<std::string> FindOrPull(std::string_view model);

}  // namespace akin::hub

#pragma once

#include <string_view>

namespace akin::backends::python {

// akin_bridge.py.
extern const std::string_view kAkinBridge;

}  // namespace akin::backends::python

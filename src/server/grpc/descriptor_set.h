// Made from proto/ by CMakeLists.txt.
#pragma once

#include <string_view>

namespace akin::server {

// The files of our services as a google.protobuf.FileDescriptorSet.
extern const std::string_view kDescriptorSet;

}  // namespace akin::server

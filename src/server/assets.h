// Files of src/server/assets, built in (cmake/AkinEmbed.cmake makes the source).
#pragma once

#include <string_view>

namespace akin::server {

extern const std::string_view kOpenApiJson;
extern const std::string_view kDocsHtml;
extern const std::string_view kPageHtml;

}  // namespace akin::server
